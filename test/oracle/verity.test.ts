import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FormatError, fromHex, MemorySource, toHex } from "../../src/bytes/index.ts";
import { VerityHasher, type VerityParameters, type VerityTree, verifyVerity } from "../../src/formats/verity/index.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";

const DEFAULTS: VerityParameters = {
  algorithm: "sha256",
  dataBlockSize: 4096,
  hashBlockSize: 4096,
  salt: Uint8Array.from({ length: 32 }, (_, index) => 255 - index),
  uuid: "145abf5b-6a0f-4ed6-a9fb-0123456789ab",
};

/** Around the limits between none, one, two and three levels, and everything that can be chosen. */
const CASES: [string, number, Partial<VerityParameters>][] = [
  ...[1, 2, 127, 128, 129, 16384, 16385].map((blocks): [string, number, Partial<VerityParameters>] => [
    `${blocks} blocks`,
    blocks,
    {},
  ]),
  ["no salt", 130, { salt: new Uint8Array() }],
  ["a salt of 256 bytes", 130, { salt: new Uint8Array(256).fill(3) }],
  ["SHA-512", 65, { algorithm: "sha512" }],
  ["small data blocks", 500, { dataBlockSize: 1024 }],
  ["small hash blocks", 500, { hashBlockSize: 512 }],
];

function noise(size: number): Uint8Array {
  const words = new Uint32Array(size / 4);
  for (let index = 0, state = 1; index < words.length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[index] = state;
  }
  return new Uint8Array(words.buffer);
}

function treeOver(data: Uint8Array, parameters: VerityParameters): VerityTree {
  const hasher = new VerityHasher(parameters);
  hasher.write(data);
  return hasher.finish();
}

test.for(CASES)("veritysetup and lazyrd make and accept the same tree: %s", ([, blocks, more], context) => {
  const veritysetup = requireTool(context, "veritysetup");
  const parameters = { ...DEFAULTS, ...more };
  const folder = tempFolder();
  const [dataFile, theirs, ours] = ["data", "theirs", "ours"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const data = noise(blocks * parameters.dataBlockSize);
  writeFileSync(dataFile, data);

  const output = run(veritysetup, [
    "format",
    dataFile,
    theirs,
    `--hash=${parameters.algorithm}`,
    `--data-block-size=${parameters.dataBlockSize}`,
    `--hash-block-size=${parameters.hashBlockSize}`,
    `--salt=${parameters.salt.length === 0 ? "-" : toHex(parameters.salt)}`,
    `--uuid=${parameters.uuid}`,
  ]).stdout;
  const rootHash = /Root hash:\s+([0-9a-f]+)/.exec(output)?.[1] ?? "";
  const tree = treeOver(data, parameters);
  expect(toHex(tree.rootHash)).toBe(rootHash);
  expect(Buffer.from(tree.hashArea).equals(readFileSync(theirs))).toBe(true);

  writeFileSync(ours, tree.hashArea);
  run(veritysetup, ["verify", dataFile, ours, rootHash]);
  const theirArea = new MemorySource(readFileSync(theirs));
  expect(verifyVerity(new MemorySource(data), theirArea, fromHex(rootHash))).toMatchObject(parameters);
});

test("veritysetup and lazyrd see the same damage", (context) => {
  const veritysetup = requireTool(context, "veritysetup");
  const folder = tempFolder();
  const [dataFile, hashFile] = [join(folder, "data"), join(folder, "hash")];
  const data = noise(300 * 4096);
  const { hashArea, rootHash } = treeOver(data, DEFAULTS);
  writeFileSync(hashFile, hashArea);
  for (const at of [0, 150 * 4096 + 77, data.length - 1]) {
    writeFileSync(dataFile, data);
    const damaged = data.slice();
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    const file = openSync(dataFile, "r+");
    writeSync(file, damaged, at, 1, at);
    closeSync(file);
    expect(run(veritysetup, ["verify", dataFile, hashFile, toHex(rootHash)], { expectFailure: true }).status).not.toBe(
      0,
    );
    expect(() => verifyVerity(new MemorySource(damaged), new MemorySource(hashArea), rootHash)).toThrow(FormatError);
  }
});

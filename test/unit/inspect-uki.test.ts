import { expect, test } from "vitest";
import { MemorySource } from "../../src/bytes/index.ts";
import { readPe } from "../../src/formats/pe/index.ts";
import { inspectFile } from "../../src/inspect/index.ts";
import { createKeys, keySigner, signProgram } from "../../src/keys/index.ts";
import { sampleUki } from "../support/inspect-samples.ts";
import { sampleEfiKernel, sampleStub } from "../support/pe-samples.ts";

const inspect = (bytes: Uint8Array) => inspectFile({ path: "file.efi", source: new MemorySource(bytes) });

test("a unified kernel image is described with all that it holds", async () => {
  const { title, lines, facts, problems, list } = await inspect(sampleUki());
  expect(title).toBe("unified kernel image, kernel 6.12.1-test, x86_64");
  const said = lines.map((line) => line.trim().replaceAll(/ +/g, " "));
  expect(said).toEqual(
    expect.arrayContaining([
      ...['name A "sample"', "stub systemd-stub 257.3-1", "command line quiet", "initrd initrd, 1 segment"],
      ...["profile 0 rescue, Rescue", "signed by nobody"],
    ]),
  );
  expect(facts).toMatchObject({ commandLine: "quiet", signatures: [], profiles: [{ id: "rescue", title: "Rescue" }] });
  expect(problems).toEqual([]);
  expect(list?.()[0]?.entries.map(({ path }) => path)).toContain("init");
});

test("what acts on a terminal is not shown", async () => {
  const uki = Buffer.from(sampleUki());
  uki.write("qu\x1b[m", uki.indexOf("quiet"), "latin1");
  const { lines } = await inspect(uki);
  expect(lines.find((line) => line.includes("command line"))).toContain("qu\\x1b[m");
});

test("other EFI programs are told from kernels", async () => {
  expect(await inspect(sampleStub())).toMatchObject({ format: "efi-program", title: "EFI program", list: undefined });
  expect(await inspect(sampleEfiKernel())).toMatchObject({ format: "kernel" });
});

test("who signed it, and whether that is for this program", async () => {
  const now = new Date();
  const files = new Map(createKeys({ bits: 2048, now, validDays: 1 }).map(({ name, content }) => [name, content]));
  const file = (name: string): Uint8Array => files.get(name) ?? new Uint8Array();
  const signed = signProgram(sampleUki(), keySigner({ key: file("db.key") }, file("db.crt"), now));
  const sound = await inspect(signed);
  expect(sound.problems).toEqual([]);
  expect(sound.lines.at(-1)).toMatch(/signed by +CN=lazyrd db, serial [0-9a-f]+, sound$/);
  const first = readPe(new MemorySource(signed)).sections[0]?.rawOffset ?? 0;
  signed[first] = 0;
  const changed = await inspect(signed);
  expect(changed.lines.at(-1)).toMatch(/NOT SOUND$/);
  expect(changed.problems).toEqual([expect.stringMatching(/^signature by CN=lazyrd db, .*: it is for other content/)]);
});

import { type ByteSink, byteStringBytes, type PositionedSink, toHex } from "../../../src/bytes/index.ts";
import { type DdiOptions, planDdi, writeDdi } from "../../../src/formats/ddi/index.ts";
import { encodeErofs } from "../../../src/formats/erofs/index.ts";
import { directory, regularFile, symlink, Tree } from "../../../src/tree/index.ts";

export const BLOCK = 4096;

/** An image on a disk of its own, and all that a plan says of it. */
export interface Image {
  readonly disk: Uint8Array;
  readonly blocks: number;
  readonly rootHash: string;
  readonly salt: string;
  readonly dataGuid: string;
  readonly hashGuid: string;
  /** Where the partitions begin. Bytes. */
  readonly dataOffset: number;
  readonly hashOffset: number;
  /** Where the partition with the signature begins; undefined without one. */
  readonly signatureOffset: number | undefined;
}

const UUID = "145abf5b-6a0f-4ed6-a9fb-0123456789ab";

/** The initrd that the image holds: small, with the things that a first stage has to look out for. */
export function imageTree(): Tree {
  const tree = new Tree(directory());
  tree.set("init", regularFile(byteStringBytes("#!/bin/sh\nexec /usr/lib/systemd\n"), { permissions: 0o755 }));
  tree.set("etc", directory());
  tree.set("etc/initrd-release", regularFile(byteStringBytes("ID=test\n")));
  tree.setWithParents("usr/lib/firmware/in-image.bin", regularFile(byteStringBytes("firmware of the image")));
  tree.set("lib", symlink("usr/lib"));
  tree.set("tmp", directory({ permissions: 0o1777 }));
  tree.setWithParents("usr/bin/su", regularFile(byteStringBytes("\x7fELF su"), { permissions: 0o4755 }));
  tree.set("data", regularFile(new Uint8Array(3 * BLOCK).fill(0x5a)));
  return tree;
}

/** A DDI with the image of `tree`, filled up with zeros to `blocks` blocks. */
export function makeImage(
  given: {
    tree?: Tree;
    blocks?: number;
    salt?: string;
    sectorSize?: number;
    dataOnly?: Uint8Array;
    labels?: DdiOptions["labels"];
    sign?: DdiOptions["sign"];
  } = {},
): Image {
  const erofs = given.dataOnly ?? encodeErofs(given.tree ?? imageTree(), { uuid: UUID });
  const blocks = given.blocks ?? erofs.length / BLOCK;
  const salt = given.salt ?? "00ff";
  const emit = (sink: ByteSink) => {
    sink.write(erofs);
    sink.write(new Uint8Array(blocks * BLOCK - erofs.length));
  };
  const plan = planDdi({
    designator: "root",
    architecture: "x86-64",
    data: { sizeBytes: blocks * BLOCK, emit },
    verity: { salt: Buffer.from(salt, "hex"), uuid: UUID },
    sectorSize: given.sectorSize,
    labels: given.labels,
    sign: given.sign,
  });
  const disk = new Uint8Array(plan.sizeBytes);
  const output: PositionedSink = { writeAt: (offset, bytes) => disk.set(bytes, offset) };
  const { tree, gpt } = writeDdi(plan, output);
  const [data, hash, signature] = gpt.partitions;
  if (data === undefined || hash === undefined) throw new Error("The image lacks a partition");
  return {
    disk,
    blocks,
    rootHash: toHex(tree.rootHash),
    salt,
    dataGuid: data.partitionGuid,
    hashGuid: hash.partitionGuid,
    dataOffset: data.offsetBytes,
    hashOffset: hash.offsetBytes,
    signatureOffset: signature?.offsetBytes,
  };
}

/** The same disk with one bit changed. */
export function withFlippedBit(image: Image, offset: number): Image {
  const disk = image.disk.slice();
  disk[offset] = (disk[offset] ?? 0) ^ 1;
  return { ...image, disk };
}

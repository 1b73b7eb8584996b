import { type ByteSource, hex, toHex } from "../../bytes/index.ts";
import { VeritySuperblock } from "./layout.ts";
import { readVeritySuperblock } from "./read.ts";

/** The hash area as text: the superblock's fields, then what every byte of the rest is. */
export function dumpVerity(hash: ByteSource): string {
  const info = readVeritySuperblock(hash);
  const { geometry } = info;
  const regions: [start: number, end: number, name: string][] = [
    [0, VeritySuperblock.size, "superblock"],
    [VeritySuperblock.size, geometry.hashStartBlock * info.hashBlockSize, "padding"],
    ...geometry.levels.map((level): [number, number, string] => {
      const text = `level ${level.level}: ${level.blocks} hash blocks, ${level.digests} digests`;
      return [level.offset, level.offset + level.blocks * info.hashBlockSize, text];
    }),
    [geometry.hashAreaSize, hash.size, "after the tree"],
  ];
  const lines = [
    "dm-verity hash area",
    `  algorithm        ${info.algorithm}`,
    `  uuid             ${info.uuid}`,
    `  data             ${info.dataBlocks} blocks of ${info.dataBlockSize} bytes`,
    `  hash block size  ${info.hashBlockSize}`,
    `  salt             ${info.salt.length === 0 ? "-" : toHex(info.salt)}`,
    ...regions
      .filter(([start, end]) => end > start)
      .map(([start, end, name]) => `  ${hex(start).padStart(12)}..${hex(end).padEnd(12)} ${name}`),
  ];
  return `${lines.join("\n")}\n`;
}

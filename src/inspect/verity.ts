import { byteStringFrom, toHex } from "../bytes/index.ts";
import { dumpVerity, readVeritySuperblock, type VerityInfo } from "../formats/verity/index.ts";
import { counted, formatExactSize, labelledLines } from "../text/index.ts";
import type { InspectedFile, Inspection, Reader } from "./types.ts";

const SIGNATURE = "verity\0\0";

export const verityReader: Reader = {
  what: "a dm-verity hash area",
  matches: isVerity,
  inspect,
};

export function isVerity(head: Uint8Array): boolean {
  return byteStringFrom(head.subarray(0, SIGNATURE.length)) === SIGNATURE;
}

function inspect({ source }: InspectedFile): Inspection {
  const info = readVeritySuperblock(source);
  const { hashAreaSize } = info.geometry;
  const missing = hashAreaSize > source.size ? [`the tree needs ${hashAreaSize} bytes, there are ${source.size}`] : [];
  return {
    format: "verity",
    title: "dm-verity hash area",
    lines: verityLines(info),
    facts: verityFacts(info),
    warnings: [],
    problems: missing,
    list: undefined,
    dump: () => dumpVerity(source),
    verify: undefined,
  };
}

export function verityLines(info: VerityInfo): string[] {
  const { dataBlocks, dataBlockSize, geometry } = info;
  return labelledLines([
    ["protects", `${formatExactSize(dataBlocks * dataBlockSize)}, ${dataBlocks} blocks of ${dataBlockSize}`],
    [
      "tree",
      `${info.algorithm}, ${counted(geometry.levels.length, "level")}, ${formatExactSize(geometry.hashAreaSize)}`,
    ],
    ["salt", info.salt.length === 0 ? "none" : toHex(info.salt)],
    ["uuid", info.uuid],
  ]);
}

export function verityFacts(info: VerityInfo): Record<string, unknown> {
  return {
    algorithm: info.algorithm,
    uuid: info.uuid,
    salt: toHex(info.salt),
    dataBlocks: info.dataBlocks,
    dataBlockSize: info.dataBlockSize,
    hashBlockSize: info.hashBlockSize,
    hashStartBlock: info.geometry.hashStartBlock,
    levels: info.geometry.levels.length,
    hashAreaBytes: info.geometry.hashAreaSize,
  };
}

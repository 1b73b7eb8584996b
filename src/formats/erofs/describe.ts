import { hex, toText } from "../../bytes/index.ts";
import { FEATURE_COMPAT, FEATURE_INCOMPAT } from "./layout.ts";
import { namesOfBits } from "./names.ts";
import type { ErofsSuperblock } from "./superblock.ts";

/** A superblock as plain values that JSON can hold. */
export interface ErofsDescription {
  readonly format: "erofs";
  readonly uuid: string;
  readonly volumeName: string;
  readonly blockBytes: number;
  readonly sizeBytes: number;
  readonly inodes: number;
  readonly rootNid: number;
  /** Seconds since 1970. */
  readonly epoch: number;
  readonly metaOffset: number;
  readonly xattrOffset: number;
  /** Hexadecimal, or null when the image has none. */
  readonly checksum: string | null;
  readonly compatible: readonly string[];
  readonly incompatible: readonly string[];
}

/** What `inspect` shows of an EROFS image. */
export function describeSuperblock(superblock: ErofsSuperblock): ErofsDescription {
  const { blockBytes, checksum } = superblock;
  return {
    format: "erofs",
    uuid: superblock.uuid,
    volumeName: toText(superblock.volumeName),
    blockBytes,
    sizeBytes: superblock.blocks * blockBytes,
    inodes: superblock.inodeCount,
    rootNid: superblock.rootNid,
    epoch: superblock.epoch,
    metaOffset: superblock.metaOffset,
    xattrOffset: superblock.xattrOffset,
    checksum: checksum === undefined ? null : hex(checksum),
    compatible: namesOfBits(superblock.compat, FEATURE_COMPAT),
    incompatible: namesOfBits(superblock.incompat, FEATURE_INCOMPAT),
  };
}

/** The description as text, one line a fact. */
export function dumpDescription(description: ErofsDescription): string {
  const list = (names: readonly string[]): string => (names.length === 0 ? "none" : names.join(" "));
  const { blockBytes, sizeBytes } = description;
  const facts: readonly (readonly [string, string | number])[] = [
    ["uuid", description.uuid],
    ["volume name", description.volumeName === "" ? "none" : description.volumeName],
    ["size", `${sizeBytes} bytes, ${sizeBytes / blockBytes} blocks of ${blockBytes}`],
    ["inodes", `${description.inodes}, root ${description.rootNid}`],
    ["epoch", description.epoch],
    ["checksum", description.checksum ?? "none"],
    ["compatible", list(description.compatible)],
    ["incompatible", list(description.incompatible)],
  ];
  return facts.map(([name, value]) => `${`${name}:`.padEnd(LABEL_WIDTH)}${value}\n`).join("");
}

/** The longest label, its colon and a space. */
const LABEL_WIDTH = 14;

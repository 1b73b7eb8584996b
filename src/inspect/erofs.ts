import type { ByteSource } from "../bytes/index.ts";
import {
  describeSuperblock,
  dumpErofs,
  type ErofsDescription,
  listErofs,
  readSuperblock,
} from "../formats/erofs/index.ts";
import { counted, formatExactSize, labelledLines } from "../text/index.ts";
import { listedErofsEntry } from "./listing.ts";
import type { InspectedFile, Inspection, Reader } from "./types.ts";

/** EROFS_SUPER_MAGIC_V1 at EROFS_SUPER_OFFSET, little-endian. */
const MAGIC = [0xe2, 0xe1, 0xf5, 0xe0];
const MAGIC_OFFSET = 1024;

export const erofsReader: Reader = {
  what: "an EROFS image",
  matches: isErofs,
  inspect,
};

export function isErofs(head: Uint8Array): boolean {
  return MAGIC.every((byte, index) => head[MAGIC_OFFSET + index] === byte);
}

function inspect({ source }: InspectedFile): Inspection {
  const summary = summarizeErofs(source);
  return {
    format: "erofs",
    title: "EROFS image",
    lines: erofsLines(summary),
    facts: summary.facts,
    warnings: [],
    problems: [],
    list: () => [listErofsOf(source)],
    dump: () => dumpErofs(source),
    verify: undefined,
  };
}

export function listErofsOf(source: ByteSource): { title: string; entries: ReturnType<typeof listedErofsEntry>[] } {
  return { title: "EROFS image", entries: listErofs(source).map(listedErofsEntry) };
}

export interface ErofsSummary {
  readonly description: ErofsDescription;
  /** How many entries there are of each kind, hard links counted once. */
  readonly counts: Readonly<Record<string, number>>;
  /** Bytes in all files, hard links counted once. */
  readonly contentBytes: number;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** The superblock's facts, and what a walk through the directories counts. */
export function summarizeErofs(source: ByteSource): ErofsSummary {
  const { format: _, ...description } = describeSuperblock(readSuperblock(source));
  const counts: Record<string, number> = {};
  let contentBytes = 0;
  const seen = new Set<number>();
  for (const { nid, kind, size } of listErofs(source)) {
    if (seen.has(nid)) continue;
    seen.add(nid);
    counts[kind] = (counts[kind] ?? 0) + 1;
    if (kind === "file") contentBytes += size;
  }
  return {
    description: { format: "erofs", ...description },
    counts,
    contentBytes,
    facts: { ...description, counts, contentBytes },
  };
}

const PLURALS: Readonly<Record<string, [one: string, several: string]>> = {
  file: ["file", "files"],
  directory: ["directory", "directories"],
  symlink: ["symlink", "symlinks"],
  "character-device": ["character device", "character devices"],
  "block-device": ["block device", "block devices"],
  fifo: ["fifo", "fifos"],
  socket: ["socket", "sockets"],
};

export function erofsLines({ description, counts, contentBytes }: ErofsSummary): string[] {
  const { blockBytes, compatible, incompatible } = description;
  const kinds = Object.entries(PLURALS).flatMap(([kind, nouns]) => {
    const count = counts[kind];
    return count === undefined ? [] : [counted(count, ...nouns)];
  });
  const needed = incompatible.length === 0 ? "nothing beyond Linux 5.4" : incompatible.join(" ");
  return labelledLines([
    ["size", `${formatExactSize(description.sizeBytes)} in blocks of ${blockBytes}`],
    ["holds", `${formatExactSize(contentBytes)} in ${kinds.join(", ")}`],
    ["uuid", description.uuid],
    ["volume name", description.volumeName === "" ? undefined : description.volumeName],
    ["features", compatible.join(" ") || "none"],
    ["needs", needed],
    ["checksum", description.checksum ?? "none"],
  ]);
}

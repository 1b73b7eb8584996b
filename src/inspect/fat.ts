import type { ByteSource } from "../bytes/index.ts";
import { describeFat, dumpFat, type FatContent, fatTree, isFat, readFat } from "../formats/fat/index.ts";
import { counted, formatExactSize, labelledLines } from "../text/index.ts";
import type { ListedEntry } from "./listing.ts";
import type { InspectedFile, Inspection, Listing, Reader } from "./types.ts";

export const fatReader: Reader = {
  what: "a FAT volume",
  matches: (head) => isFat(head),
  inspect,
};

function inspect({ source }: InspectedFile): Inspection {
  const { name, lines, facts, warnings } = summarizeFat(source);
  return {
    format: "fat",
    title: `${name} volume`,
    lines,
    facts,
    warnings,
    problems: [],
    list: () => [listFatOf(source)],
    dump: () => dumpFat(source),
    verify: undefined,
  };
}

export interface FatSummary {
  readonly name: string;
  readonly lines: readonly string[];
  readonly facts: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
}

/** The boot sector's facts, and what a walk through the directories counts. */
export function summarizeFat(source: ByteSource): FatSummary {
  const content = readFat(source);
  const facts = describeFat(content);
  const { clusterBytes, clusters, usedClusters, files, directories, contentBytes, fragmented } = facts;
  const pieces = fragmented === 0 ? "" : `, ${fragmented} of them in pieces`;
  const lines = labelledLines([
    ["size", `${formatExactSize(facts.sizeBytes)} in ${clusters} clusters of ${clusterBytes}`],
    [
      "holds",
      `${formatExactSize(contentBytes)} in ${counted(files, "file")}${pieces}, ${counted(directories, "directory", "directories")}`,
    ],
    ["free", formatExactSize((clusters - usedClusters) * clusterBytes)],
    ["volume id", facts.volumeId ?? undefined],
    ["label", facts.label ?? undefined],
    ["made by", facts.madeBy === "" ? undefined : facts.madeBy],
  ]);
  return { name: facts.type, lines, facts: { ...facts }, warnings: content.warnings };
}

export function listFatOf(source: ByteSource): Listing {
  return { title: "FAT volume", entries: listed(readFat(source)) };
}

/** Owner, mode and links are those that Linux makes up. */
function listed(content: FatContent): ListedEntry[] {
  const tree = fatTree(content);
  return content.entries.map(({ path, kind, size, mtime }) => ({
    path: path === "" ? "." : path,
    kind,
    permissions: tree.get(path)?.permissions ?? 0,
    links: 1,
    uid: 0,
    gid: 0,
    size,
    mtime,
    device: undefined,
    target: undefined,
  }));
}

import { type ByteSource, type ByteString, divideUp, FormatError, SubSource, toText } from "../../bytes/index.ts";
import { directory, type Node, regularFile, Tree } from "../../tree/index.ts";
import { ChainReader, ChainSource, type ClusterRun } from "./chains.ts";
import { ATTRIBUTE, DirectoryEntry, FORMAT, MAX_DIRECTORY_BYTES } from "./layout.ts";
import { parseDirectory } from "./read-directory.ts";
import { type FatVolume, readFatVolume } from "./volume.ts";

/** A file or directory of a volume that was read. */
export interface FatEntry {
  /** Without a leading slash, "" for the root. */
  readonly path: ByteString;
  readonly kind: "file" | "directory";
  /** `VMLINU~1.EFI`; "" for the root. */
  readonly shortName: string;
  readonly attributes: number;
  /** Of a directory: that of its clusters. */
  readonly size: number;
  /** Seconds since 1970; FAT's local time is taken for UTC. */
  readonly mtime: number;
  readonly runs: readonly ClusterRun[];
  readonly content: ByteSource;
}

/** A volume that was read: everything but the contents of files. */
export interface FatContent {
  readonly volume: FatVolume;
  /** The root first, every directory before its entries. */
  readonly entries: readonly FatEntry[];
  readonly label: string | undefined;
  /** Clusters that belong to files and directories. */
  readonly usedClusters: number;
  /** What is wrong although it could be read; one line each. */
  readonly warnings: readonly string[];
}

/** More than Windows (260 characters in a path) and Linux (4,096) can name. */
const MAX_DEPTH = 2048;

/**
 * Reads the directories of a FAT12, FAT16 or FAT32 volume and follows the chain of every file.
 * @throws FormatError when the volume is damaged: a chain that leaves it, never ends, is too short or meets another
 * one; names that no file can have.
 */
export function readFat(source: ByteSource): FatContent {
  const volume = readFatVolume(source);
  const { geometry } = volume;
  const chains = new ChainReader(source, volume);
  const warnings = [...volume.warnings];
  const root = readRoot(source, volume, chains);
  const entries: FatEntry[] = [root];
  let label: string | undefined;

  const pending: { entry: FatEntry; depth: number }[] = [{ entry: root, depth: 0 }];
  for (let top = pending.pop(); top !== undefined; top = pending.pop()) {
    const { entry: parent, depth } = top;
    const offsetOf = (position: number): number =>
      parent.content instanceof ChainSource ? parent.content.offsetOf(position) : geometry.rootOffset + position;
    const parsed = parseDirectory(parent.content.read(0, parent.size), {
      isRoot: parent === root,
      hasHighCluster: geometry.type === 32,
      path: parent.path,
      offsetOf,
    });
    label ??= parsed.label;
    warnings.push(...parsed.warnings);
    const below: FatEntry[] = [];
    for (const { name, position, firstCluster, ...raw } of parsed.entries) {
      const path = parent.path === "" ? name : `${parent.path}/${name}`;
      const where = { path, offset: offsetOf(position) };
      const isDirectory = (raw.attributes & ATTRIBUTE.DIRECTORY) !== 0;
      const size = isDirectory ? undefined : raw.size;
      const chain = readChain(source, volume, chains, { firstCluster, size, ...where });
      warnings.push(...chain.warnings);
      const { runs, content } = chain;
      const kind = isDirectory ? "directory" : "file";
      const entry: FatEntry = { ...raw, path, kind, size: content.size, runs, content };
      entries.push(entry);
      if (isDirectory) below.push(entry);
    }
    if (below.length > 0 && depth >= MAX_DEPTH) {
      fail(`Cannot read /${toText(parent.path)}: directories in more than ${MAX_DEPTH} others`, offsetOf(0));
    }
    pending.push(...below.reverse().map((entry) => ({ entry, depth: depth + 1 })));
  }
  return { volume, entries, label, usedClusters: chains.claimedCount, warnings };
}

function readRoot(source: ByteSource, volume: FatVolume, chains: ChainReader): FatEntry {
  const { geometry, rootCluster } = volume;
  const common = { path: "", kind: "directory", shortName: "", attributes: ATTRIBUTE.DIRECTORY, mtime: 0 } as const;
  if (geometry.type === 32) {
    const place = { path: "", firstCluster: rootCluster, size: undefined, offset: 0 };
    const { runs, content } = readChain(source, volume, chains, place);
    return { ...common, runs, content, size: content.size };
  }
  const size = geometry.rootEntries * DirectoryEntry.size;
  return { ...common, runs: [], content: new SubSource(source, geometry.rootOffset, size), size };
}

interface ChainPlace {
  readonly path: ByteString;
  readonly firstCluster: number;
  /** Undefined for a directory, which has the size of its clusters. */
  readonly size: number | undefined;
  /** Where the number of the first cluster stands. */
  readonly offset: number;
}

function readChain(
  source: ByteSource,
  { geometry }: FatVolume,
  chains: ChainReader,
  { path, firstCluster, size, offset }: ChainPlace,
): { runs: ClusterRun[]; content: ChainSource; warnings: string[] } {
  const { clusterBytes, clusterCount } = geometry;
  const isEmptyFile = size === 0 && firstCluster === 0;
  const most = size === undefined ? divideUp(MAX_DIRECTORY_BYTES, clusterBytes) : clusterCount;
  const runs = isEmptyFile ? [] : chains.follow(firstCluster, most, offset);
  const count = runs.reduce((sum, run) => sum + run.count, 0);
  const needed = divideUp(size ?? 1, clusterBytes);
  if (count < needed) fail(`Cannot read /${toText(path)}: it has ${count} clusters, expected ${needed}`, offset);
  // Linux and Windows reserve room so (fallocate), and do not clean up when the power is cut.
  const hasMore = size !== undefined && count > needed;
  const warnings = hasMore ? [`/${toText(path)}: ${count - needed} of its clusters lie behind its end`] : [];
  return { runs, content: new ChainSource(source, geometry, runs, size ?? count * clusterBytes), warnings };
}

/** As Linux shows FAT: everything belongs to root, and everything may be executed. */
const PERMISSIONS = 0o755;
const READ_ONLY_PERMISSIONS = 0o555;

/** The volume's files as a tree; contents stay where they are. */
export function fatTree({ entries }: FatContent): Tree {
  const tree = new Tree(directory({ permissions: PERMISSIONS }));
  for (const { path, ...entry } of entries) if (path !== "") tree.set(path, nodeOf(entry));
  return tree;
}

function nodeOf({ kind, content, attributes, mtime }: Omit<FatEntry, "path">): Node {
  if (kind === "directory") return directory({ permissions: PERMISSIONS, mtime });
  const isReadOnly = (attributes & ATTRIBUTE.READ_ONLY) !== 0;
  return regularFile(content, { permissions: isReadOnly ? READ_ONLY_PERMISSIONS : PERMISSIONS, mtime });
}

function fail(message: string, offset: number): never {
  throw new FormatError(message, { format: FORMAT, offset });
}

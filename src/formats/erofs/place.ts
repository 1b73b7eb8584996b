import { divideUp, FormatError } from "../../bytes/index.ts";
import type { Node, RegularFile } from "../../tree/index.ts";
import type { BlockRun } from "./content.ts";
import type { EqualFiles } from "./equal-files.ts";
import { InodeArea } from "./inode-area.ts";
import { FORMAT, INODE_SLOT_BYTES, NULL_ADDR } from "./layout.ts";
import { headBytesOf, type UnplacedInode } from "./plan-inodes.ts";
import type { ReadOrder } from "./read-order.ts";

export interface PlacedInode extends UnplacedInode {
  /** Of the inode in the image. */
  readonly offset: number;
  /** The first block of each run, NULL_ADDR of those without blocks. */
  readonly starts: readonly number[];
}

export interface PlacedRun {
  readonly startBlock: number;
  readonly run: BlockRun;
}

export interface Placement {
  readonly inodes: readonly PlacedInode[];
  /** Runs that several files share appear once. */
  readonly runs: readonly PlacedRun[];
  /** Where the attributes that inodes share begin. */
  readonly xattrBlock: number;
  /** Behind the inodes of what the order names, with what stands behind them, and the shared attributes. */
  readonly frontInodesEndBlock: number;
  /** Behind the last block of what the order names. */
  readonly frontEndBlock: number;
  readonly endBlock: number;
}

export interface PlaceOptions {
  readonly blockBytes: number;
  readonly firstBlock: number;
  readonly sharedXattrBytes: number;
  /** Without it everything is in front, in the order of the walk. */
  readonly order: ReadOrder | undefined;
  readonly equalFiles: EqualFiles;
}

/**
 * Gives inodes and blocks their places. What the order names is in front: inodes with their tails, attributes, blocks of
 * directories and symlinks, then of files as they are read. The rest follows in the same way.
 */
export function placeAll(inodes: readonly UnplacedInode[], options: PlaceOptions): Placement {
  const { blockBytes, order } = options;
  const front = frontOf(inodes, order);
  const back = inodes.filter((inode) => !front.has(inode));
  const ownRuns = runOwners(inodes, options.equalFiles);
  const offsets = new Map<UnplacedInode, number>();
  const starts = new Map<BlockRun, number>();
  const runs: PlacedRun[] = [];

  const placeInodes = (group: Iterable<UnplacedInode>, firstBlock: number): number => {
    const area = new InodeArea(firstBlock, blockBytes);
    for (const inode of group) {
      const { mapBytes, tailBytes } = inode.content;
      offsets.set(inode, area.place(headBytesOf(inode) + mapBytes + tailBytes));
    }
    return area.endBlock;
  };
  const placeRuns = (group: Iterable<BlockRun>, firstBlock: number): number => {
    let next = firstBlock;
    for (const run of group) {
      if (run.blockCount === 0) continue;
      starts.set(run, next);
      runs.push({ startBlock: next, run });
      next += run.blockCount;
    }
    return next;
  };

  const xattrBlock = placeInodes(front, options.firstBlock);
  const dataBlock = xattrBlock + divideUp(options.sharedXattrBytes, blockBytes);
  const fileRuns = inodes.filter(isFile).flatMap((inode) => (ownRuns.get(inode) === inode ? inode.content.runs : []));
  const isInFront = (run: BlockRun): boolean => order === undefined || run.rank !== undefined;
  const read = fileRuns.filter(isInFront).sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
  const frontEndBlock = placeRuns([...runsOfOthers(front), ...read], dataBlock);
  const backBlock = placeInodes(back, frontEndBlock);
  const unread = fileRuns.filter((run) => !isInFront(run));
  const endBlock = placeRuns([...runsOfOthers(back), ...unread], backBlock);
  if (endBlock > NULL_ADDR) {
    throw new FormatError(`Cannot write an image of ${endBlock} blocks: expected fewer than ${NULL_ADDR}`, {
      format: FORMAT,
    });
  }
  const placed = inodes.map((inode): PlacedInode => {
    const owner = ownRuns.get(inode) ?? inode;
    return {
      ...inode,
      offset: offsets.get(inode) as number,
      starts: owner.content.runs.map((run) => starts.get(run) ?? NULL_ADDR),
    };
  });
  return { inodes: placed, runs, xattrBlock, frontInodesEndBlock: dataBlock, frontEndBlock, endBlock };
}

/** The number by which directories name an inode, where the inodes begin at the image's start. */
export function nidAt(offset: number): number {
  return offset / INODE_SLOT_BYTES;
}

/** The root first, since its nid has 16 bits only; then what the order names, as it does. */
function frontOf(inodes: readonly UnplacedInode[], order: ReadOrder | undefined): Set<UnplacedInode> {
  if (order === undefined) return new Set(inodes);
  const byNode = new Map<Node, UnplacedInode>(inodes.map((inode) => [inode.collected.node, inode]));
  const chosen = new Set(inodes.slice(0, 1));
  for (const node of order.nodes) {
    const inode = byNode.get(node);
    if (inode !== undefined) chosen.add(inode);
  }
  return chosen;
}

function isFile(inode: UnplacedInode): boolean {
  return inode.collected.node.kind === "file";
}

function runsOfOthers(inodes: Iterable<UnplacedInode>): BlockRun[] {
  return [...inodes].flatMap((inode) => (isFile(inode) ? [] : inode.content.runs));
}

/** For each file the inode whose blocks it uses: its own, or of an equal file that is stored in the same way. */
function runOwners(inodes: readonly UnplacedInode[], equalFiles: EqualFiles): Map<UnplacedInode, UnplacedInode> {
  const owners = new Map<UnplacedInode, UnplacedInode>();
  const candidates = new Map<string, UnplacedInode>();
  const numbers = new Map<RegularFile, number>();
  for (const inode of inodes) {
    const { node, index } = inode.collected;
    if (node.kind !== "file") continue;
    const original = equalFiles.get(node) ?? node;
    const number = numbers.get(original) ?? index;
    numbers.set(original, number);
    const { layout, runs } = inode.content;
    // Attributes and owner decide whether there is room for a tail, so that equal files may differ in it.
    const key = [number, layout, ...runs.map(({ blockCount }) => blockCount)].join(" ");
    const owner = candidates.get(key) ?? inode;
    candidates.set(key, owner);
    owners.set(inode, owner);
  }
  return owners;
}

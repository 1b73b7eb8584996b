import { createHash } from "node:crypto";
import { type ByteString, chunksOf, FormatError } from "../../bytes/index.ts";
import type { Tree } from "../../tree/index.ts";
import type { CollectedInode } from "./collect.ts";
import { FORMAT, NULL_ADDR } from "./layout.ts";
import type { UnplacedInode } from "./plan-inodes.ts";

export interface PlacedInode extends UnplacedInode {
  /** Of the inode in the image. */
  readonly offset: number;
  /** Of its whole blocks, or NULL_ADDR without any. */
  readonly startBlock: number;
  /** False when the blocks belong to an earlier inode with the same content. */
  readonly ownsBlocks: boolean;
}

/** The root first, since its nid has 16 bits only; then what `order` lists; then the walk. */
export function placementOrder(
  inodes: readonly UnplacedInode[],
  tree: Tree,
  order: readonly ByteString[],
): UnplacedInode[] {
  const byNode = new Map(inodes.map((inode) => [inode.collected.node, inode]));
  const chosen = new Set(inodes.slice(0, 1));
  for (const path of order) {
    const node = tree.get(path);
    const inode = node === undefined ? undefined : byNode.get(node);
    if (inode !== undefined) chosen.add(inode);
  }
  for (const inode of inodes) chosen.add(inode);
  return [...chosen];
}

/** Gives every inode its blocks: directories and long symlinks first, next to the inodes that look-ups read. */
export function placeBlocks(
  inodes: readonly UnplacedInode[],
  offsets: readonly number[],
  firstBlock: number,
  dedupe: boolean,
): { placed: PlacedInode[]; endBlock: number } {
  const isFile = (inode: UnplacedInode): boolean => inode.collected.node.kind === "file";
  const inOrder = [...inodes.filter((inode) => !isFile(inode)), ...inodes.filter(isFile)];
  const keys = dedupe ? contentKeys(inOrder) : new Map<UnplacedInode, string>();
  const starts = new Map<string, number>();
  let endBlock = firstBlock;
  const placed = inOrder.map((inode): PlacedInode => {
    const offset = offsets[inode.collected.index] as number;
    const { blockCount } = inode.content;
    if (blockCount === 0) return { ...inode, offset, startBlock: NULL_ADDR, ownsBlocks: false };
    const key = keys.get(inode);
    const earlier = key === undefined ? undefined : starts.get(key);
    if (earlier !== undefined) return { ...inode, offset, startBlock: earlier, ownsBlocks: false };
    const startBlock = endBlock;
    endBlock += blockCount;
    if (key !== undefined) starts.set(key, startBlock);
    return { ...inode, offset, startBlock, ownsBlocks: true };
  });
  if (endBlock > NULL_ADDR) {
    throw new FormatError(`Cannot write an image of ${endBlock} blocks: expected fewer than ${NULL_ADDR}`, {
      format: FORMAT,
    });
  }
  return { placed, endBlock };
}

/** A key for what is in the blocks of each file that another file might equal. */
function contentKeys(inodes: readonly UnplacedInode[]): Map<UnplacedInode, string> {
  const shapes = new Map<string, UnplacedInode[]>();
  for (const inode of inodes) {
    const { node } = inode.collected;
    const { layout, size, blockCount } = inode.content;
    if (node.kind !== "file" || blockCount === 0) continue;
    const shape = `${layout} ${size} ${blockCount}`;
    const alike = shapes.get(shape);
    if (alike === undefined) shapes.set(shape, [inode]);
    else alike.push(inode);
  }
  const keys = new Map<UnplacedInode, string>();
  for (const [shape, alike] of shapes) {
    if (alike.length < 2) continue;
    for (const inode of alike) keys.set(inode, `${shape} ${digestOf(inode.collected)}`);
  }
  return keys;
}

function digestOf({ node }: CollectedInode): string {
  const hash = createHash("sha256");
  if (node.kind === "file") for (const chunk of chunksOf(node.content)) hash.update(chunk);
  return hash.digest("hex");
}

import type { ByteString } from "../bytes/index.ts";
import type { ImageMap, Place } from "./image-map.ts";
import type { TouchedRange, TraceRead } from "./types.ts";

/** What a request of the kernel's is made of, at least. */
export const BLOCK_BYTES = 4096;

/** Numbers of the disk's blocks that requests read, each once. */
export function blocksRead(reads: readonly TraceRead[]): Set<number> {
  const blocks = new Set<number>();
  for (const { offset, length } of reads) addBlocks(blocks, offset, offset + length);
  return blocks;
}

/**
 * The blocks that have to be read at least for what was touched: those of inodes, directories and pages, and of compressed
 * files all blocks of each cluster; superblock included, hashes not.
 */
export function blocksOfTouched(touched: readonly TouchedRange[], map: ImageMap): Set<number> {
  const blocks = new Set<number>();
  addBlocks(blocks, map.dataOffset, map.dataOffset + BLOCK_BYTES);
  const placesByPath = new Map<ByteString, Place[]>();
  for (const place of map.places) {
    if (place.path === undefined) continue;
    const places = placesByPath.get(place.path);
    if (places === undefined) placesByPath.set(place.path, [place]);
    else places.push(place);
  }
  for (const { path, start, length } of touched) {
    for (const place of placesByPath.get(path) ?? []) addTouched(blocks, place, start, start + length);
  }
  return blocks;
}

function addTouched(blocks: Set<number>, place: Place, from: number, to: number): void {
  const { start, end, content, isPlain } = place;
  if (content === undefined) {
    // Whatever was used of an entry, its inode was read; and so is all of a directory or symlink.
    addBlocks(blocks, start, end);
    return;
  }
  const [first, last] = [Math.max(from, content.start), Math.min(to, content.start + content.length)];
  if (first >= last) return;
  if (isPlain) addBlocks(blocks, start + first - content.start, start + last - content.start);
  else addBlocks(blocks, start, end);
}

function addBlocks(blocks: Set<number>, start: number, end: number): void {
  for (let block = Math.floor(start / BLOCK_BYTES); block * BLOCK_BYTES < end; block++) blocks.add(block);
}

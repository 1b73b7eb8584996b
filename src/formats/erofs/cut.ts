import { alignUp } from "../../bytes/index.ts";

/** A range of a file that a boot reads; a lower rank is read earlier. */
export interface HotRange {
  readonly start: number;
  readonly end: number;
  readonly rank: number;
}

/** A part of a file that is stored by itself. A part without a rank is not read while booting. */
export interface FilePart {
  readonly start: number;
  readonly end: number;
  readonly rank: number | undefined;
}

/** Parts begin at multiples of it: the kernel caches files in pages of this size. */
const PART_ALIGNMENT = 4096;

/** Where a file is cut. */
export interface CutPolicy {
  /** What is not read is stored apart only where it is at least as long. */
  readonly minColdBytes: number;
  /** What stands before and behind a byte that is used, and is read along with it. */
  readonly readAroundBytes: number;
}

/**
 * Compressed, each cut costs about a block: a cluster that is not full, and an encoder that begins anew. A page of a program
 * that is not in memory is read with what is around it, half of the first stage's read-ahead on each side: without it, most
 * of these reads would end in a cluster that is not needed.
 */
const CUT_POLICY: CutPolicy = { minColdBytes: 32 << 10, readAroundBytes: 32 << 10 };

/**
 * Cuts a file into the parts that a boot reads and those that it does not, from its first to its last byte. Ranges that
 * are near each other become one part, which has the rank of what is read first.
 */
export function cutFile(size: number, hot: readonly HotRange[], policy = CUT_POLICY): FilePart[] {
  const { minColdBytes, readAroundBytes } = policy;
  const inFile = hot.filter(({ start, end }) => start < Math.min(end, size)).sort((a, b) => a.start - b.start);
  const parts: FilePart[] = [];
  let done = 0;
  for (const { start, end, rank } of inFile) {
    const from = Math.max(start - (start % PART_ALIGNMENT) - readAroundBytes, 0);
    const to = Math.min(alignUp(end, PART_ALIGNMENT) + readAroundBytes, size);
    const last = parts.at(-1);
    if (last?.rank !== undefined && from - done < minColdBytes) {
      done = Math.max(done, to);
      parts[parts.length - 1] = { ...last, end: done, rank: Math.min(last.rank, rank) };
      continue;
    }
    const isCut = from - done >= minColdBytes;
    if (isCut) parts.push({ start: done, end: from, rank: undefined });
    parts.push({ start: isCut ? from : done, end: to, rank });
    done = to;
  }
  const last = parts.at(-1);
  if (last === undefined || size - done >= minColdBytes) parts.push({ start: done, end: size, rank: undefined });
  else parts[parts.length - 1] = { ...last, end: size };
  return parts;
}

/** A range of bytes that is not empty: `end` lies behind the last one. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** A set of bytes as sorted ranges that do not touch. */
export class RangeSet {
  readonly #ranges: ByteRange[] = [];

  /** The parts of `range` that are not in the set, in order. */
  missing(range: ByteRange): ByteRange[] {
    const parts: ByteRange[] = [];
    let at = range.start;
    for (let index = this.#firstThatEndsAt(range.start); index < this.#ranges.length; index++) {
      const { start, end } = this.#ranges[index] as ByteRange;
      if (start >= range.end) break;
      if (start > at) parts.push({ start: at, end: start });
      at = Math.max(at, end);
    }
    if (at < range.end) parts.push({ start: at, end: range.end });
    return parts;
  }

  add(range: ByteRange): void {
    const first = this.#firstThatEndsAt(range.start);
    let { start, end } = range;
    let behind = first;
    for (; behind < this.#ranges.length; behind++) {
      const touching = this.#ranges[behind] as ByteRange;
      if (touching.start > range.end) break;
      start = Math.min(start, touching.start);
      end = Math.max(end, touching.end);
    }
    this.#ranges.splice(first, behind - first, { start, end });
  }

  /** The index of the first range that ends at `offset` or behind it, by halves. */
  #firstThatEndsAt(offset: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle] as ByteRange).end < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

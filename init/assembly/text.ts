/**
 * Text in linear memory: ASCII bytes, no character set, no copies.
 *
 * The program allocates while it reads the plan and never afterwards: look-ups, waits and log lines use the
 * fixed buffers declared beside them, so a device that never appears cannot use up memory.
 */

const NUL: u8 = 0;
const MINUS: u8 = 0x2d;
const DIGIT_ZERO: u8 = 0x30;
const LETTER_A: u8 = 0x61;

/** A run of bytes somewhere in linear memory. */
@final
export class Text {
  constructor(
    readonly start: usize,
    readonly length: i32,
  ) {}

  /** The byte at `index`, or 0 beyond the end. */
  @inline
  at(index: i32): u8 {
    return <u32>index < <u32>this.length ? load<u8>(this.start + index) : NUL;
  }

  equals(literal: string): bool {
    return this.length == literal.length && this.startsWith(literal);
  }

  startsWith(literal: string): bool {
    if (this.length < literal.length) return false;
    for (let i = 0; i < literal.length; i++) {
      if (load<u8>(this.start + i) != <u8>literal.charCodeAt(i)) return false;
    }
    return true;
  }

  same(other: Text): bool {
    return this.length == other.length && memory.compare(this.start, other.start, this.length) == 0;
  }

  /** The part from `from` up to, not including, `to`. */
  slice(from: i32, to: i32): Text {
    return new Text(this.start + from, to - from);
  }

  /** The same bytes in memory of their own. */
  copy(): Text {
    const start = heap.alloc(this.length);
    memory.copy(start, this.start, this.length);
    return new Text(start, this.length);
  }

  indexOf(byte: u8): i32 {
    for (let i = 0; i < this.length; i++) if (load<u8>(this.start + i) == byte) return i;
    return -1;
  }

  /** A decimal number, or -1 when this is not one or it does not fit 63 bits. */
  toNumber(): i64 {
    const largest = i64.MAX_VALUE / 10 - 1;
    if (this.length == 0) return -1;
    let value: i64 = 0;
    for (let i = 0; i < this.length; i++) {
      const digit = <i64>this.at(i) - DIGIT_ZERO;
      if (digit < 0 || digit > 9 || value > largest) return -1;
      value = value * 10 + digit;
    }
    return value;
  }
}

/** The value of one hexadecimal digit, or -1. */
export function hexDigit(byte: u8): i32 {
  if (byte >= DIGIT_ZERO && byte <= DIGIT_ZERO + 9) return byte - DIGIT_ZERO;
  const lower = byte | 0x20;
  return lower >= LETTER_A && lower <= LETTER_A + 5 ? lower - LETTER_A + 10 : -1;
}

/** Builds one line, path or file in a buffer of fixed size. */
@final
export class Writer {
  readonly start: usize;
  length: i32 = 0;
  /** Set when something did not fit; what is there is then only a part. */
  overflowed: bool = false;

  constructor(readonly capacity: i32) {
    this.start = heap.alloc(capacity + 1);
  }

  reset(): Writer {
    this.length = 0;
    this.overflowed = false;
    return this;
  }

  byte(value: u8): Writer {
    if (this.length == this.capacity) {
      this.overflowed = true;
    } else {
      store<u8>(this.start + this.length++, value);
    }
    return this;
  }

  literal(value: string): Writer {
    for (let i = 0; i < value.length; i++) this.byte(<u8>value.charCodeAt(i));
    return this;
  }

  bytes(start: usize, length: i32): Writer {
    const fits = min(length, this.capacity - this.length);
    if (fits < length) this.overflowed = true;
    memory.copy(this.start + this.length, start, fits);
    this.length += fits;
    return this;
  }

  text(value: Text): Writer {
    return this.bytes(value.start, value.length);
  }

  number(value: i64): Writer {
    if (value < 0) return this.byte(MINUS).digits(0 - <u64>value);
    return this.digits(<u64>value);
  }

  private digits(value: u64): Writer {
    if (value >= 10) this.digits(value / 10);
    return this.byte(DIGIT_ZERO + <u8>(value % 10));
  }

  /** Two hexadecimal digits. */
  hexByte(value: u8): Writer {
    return this.hexDigit(value >> 4).hexDigit(value & 15);
  }

  /** Two hexadecimal digits for each of `length` bytes. */
  hex(start: usize, length: i32): Writer {
    for (let i = 0; i < length; i++) this.hexByte(load<u8>(start + i));
    return this;
  }

  private hexDigit(value: u8): Writer {
    return this.byte(value < 10 ? DIGIT_ZERO + value : LETTER_A + value - 10);
  }

  /** Nanoseconds as milliseconds with one decimal: "12.3 ms". */
  milliseconds(nanoseconds: i64): Writer {
    const tenths = nanoseconds / 100_000;
    return this.number(tenths / 10).byte(0x2e).number(tenths % 10).literal(" ms");
  }

  /** Drops everything behind the first `length` bytes: back to the common start of several paths. */
  truncate(length: i32): Writer {
    this.length = length;
    this.overflowed = false;
    return this;
  }

  toText(): Text {
    return new Text(this.start, this.length);
  }

  /** The address of what was built, with a NUL behind it. Cutting a path would name another file: that traps. */
  path(): usize {
    assert(!this.overflowed);
    store<u8>(this.start + this.length, NUL);
    return this.start;
  }
}

/** Linux' limit on a path, its NUL included (limits.h). */
export const PATH_MAX: i32 = 4096;

const literalPath = new Writer(PATH_MAX);

/** A path that stands in the source. Valid until the next call. */
export function path(literal: string): usize {
  return literalPath.reset().literal(literal).path();
}

const DIGIT_ZERO: u8 = 0x30;
const BLANK: u8 = 0x20;
const TAB: u8 = 0x09;
const CASE_BIT: u8 = 0x20;

/** Twelve digits: more than any size or number that is met here has, and far from where a sum would overflow. */
const LARGEST_NUMBER: i64 = 999_999_999_999;

/** Goes over bytes that somebody else wrote, never beyond their end, and without allocating. */
@final
export class Scanner {
  position: usize = 0;
  end: usize = 0;

  over(start: usize, length: i32): Scanner {
    this.position = start;
    this.end = start + length;
    return this;
  }

  get length(): i32 {
    return <i32>(this.end - this.position);
  }

  /** The byte here, or 0 at the end. */
  get byte(): u8 {
    return this.position < this.end ? load<u8>(this.position) : 0;
  }

  /** Passes over this byte if it is the one here. */
  skip(byte: u8): bool {
    if (this.position == this.end || this.byte != byte) return false;
    this.position++;
    return true;
  }

  skipBlanks(): void {
    while (this.skip(BLANK) || this.skip(TAB)) continue;
  }

  /** Passes over `literal`, whose letters are small, however they are written here. */
  word(literal: string): bool {
    if (this.length < literal.length) return false;
    for (let i = 0; i < literal.length; i++) {
      const byte = load<u8>(this.position + i);
      const small: u8 = byte >= 0x41 && byte <= 0x5a ? byte | CASE_BIT : byte;
      if (small != <u8>literal.charCodeAt(i)) return false;
    }
    this.position += literal.length;
    return true;
  }

  /** Where the next such byte is, or the end. */
  find(byte: u8): usize {
    let at = this.position;
    while (at < this.end && load<u8>(at) != byte) at++;
    return at;
  }

  /** A decimal number, or -1 when there is none here or it is too large. */
  number(): i64 {
    const start = this.position;
    let value: i64 = 0;
    while (this.position < this.end) {
      const digit = load<u8>(this.position) - DIGIT_ZERO;
      if (digit > 9) break;
      value = value * 10 + digit;
      if (value > LARGEST_NUMBER) return -1;
      this.position++;
    }
    return this.position == start ? -1 : value;
  }
}

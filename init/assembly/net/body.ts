import { hexDigit } from "../text";
import { problem } from "../report";
import { Transfer } from "./transfer";

const LINE_FEED: u8 = 0x0a;
const CARRIAGE_RETURN: u8 = 0x0d;
/** So many hexadecimal digits are the size of any chunk, and so many bytes its whole line at most. */
const MOST_DIGITS: i32 = 12;
const LONGEST_LINE: i32 = 1024;

/** Takes a chunked body apart (RFC 9112, 7.1). Trailers are not waited for: nothing in them matters. */
@final
export class ChunkedBody {
  /** Bytes of the chunk that are still to come. */
  private left: i64 = 0;
  private lineLength: i32 = 0;
  private digits: i32 = 0;
  /** What is behind the size on its line has no meaning here. */
  private isBehindSize: bool = false;
  /** The line end behind a chunk's bytes comes before the next chunk's line. */
  private isFirst: bool = true;
  /** The last chunk was there. */
  isDone: bool = false;

  begin(): void {
    this.left = 0;
    this.isFirst = true;
    this.isDone = false;
    this.beginLine();
  }

  /** Hands the content among these bytes to `transfer`; false after a description of what is wrong. */
  take(bytes: usize, length: i32, transfer: Transfer): bool {
    const end = bytes + length;
    while (bytes < end && !this.isDone) {
      if (this.left == 0) {
        if (!this.takeOfLine(load<u8>(bytes++))) return false;
        continue;
      }
      const size = <i32>min<i64>(this.left, end - bytes);
      if (!transfer.take(bytes, size)) return false;
      bytes += size;
      this.left -= size;
      if (this.left == 0) this.beginLine();
    }
    return true;
  }

  private beginLine(): void {
    this.lineLength = this.digits = 0;
    this.isBehindSize = false;
  }

  /** One byte of the line with a chunk's size, or of the line end before it. */
  private takeOfLine(byte: u8): bool {
    const digit = this.isBehindSize ? -1 : hexDigit(byte);
    if (++this.lineLength > LONGEST_LINE || (digit >= 0 && ++this.digits > MOST_DIGITS)) return malformed();
    if (digit >= 0) {
      this.size = (this.size << 4) | digit;
      return true;
    }
    if (byte != LINE_FEED) {
      this.isBehindSize = this.digits > 0;
      return this.isBehindSize || (byte == CARRIAGE_RETURN && !this.isFirst) || malformed();
    }
    if (this.digits == 0) return !this.isFirst || malformed();
    this.left = this.size;
    this.size = 0;
    this.isFirst = false;
    this.isDone = this.left == 0;
    return true;
  }

  private size: i64 = 0;
}

function malformed(): bool {
  problem("the server's chunks are not of the form that HTTP gives them");
  return false;
}

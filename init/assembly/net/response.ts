import { problem } from "../report";
import { Writer } from "../text";
import { Scanner } from "./scanner";

const LINE_FEED: u8 = 0x0a;
const CARRIAGE_RETURN: u8 = 0x0d;
const SPACE: u8 = 0x20;
const DOT: u8 = 0x2e;
const DASH: u8 = 0x2d;
const SLASH: u8 = 0x2f;
const STAR: u8 = 0x2a;
const COLON: u8 = 0x3a;
const QUOTE: u8 = 0x22;

/** How long an ETag can be and be sent back. */
const TAG_CAPACITY: i32 = 128;

/** What the head of a response says (RFC 9110, 9112). */
@final
export class Response {
  status: i32 = 0;
  isChunked: bool = false;
  /** Of what follows; -1 when the head does not say. */
  contentLength: i64 = -1;
  /** Content-Range: the first byte and the size of the whole; -1 when the head does not say. */
  rangeStart: i64 = -1;
  rangeTotal: i64 = -1;
  readonly location: Scanner = new Scanner();

  /** Reads a whole head; false after a description of what is wrong with it. A strong ETag goes into `tag`. */
  parse(start: usize, length: i32, tag: Writer): bool {
    this.isChunked = false;
    this.contentLength = this.rangeStart = this.rangeTotal = -1;
    this.location.over(0, 0);
    const head = lines.over(start, length);
    this.nextLine(head);
    if (!line.word("http/1.") || line.number() < 0 || !line.skip(SPACE)) return malformed();
    this.status = <i32>line.number();
    if (this.status < 100 || this.status > 999) return malformed();
    if (this.status == 200) tag.reset();
    while (head.length > 0) {
      this.nextLine(head);
      if (line.length > 0 && !this.takeHeader(tag)) return malformed();
    }
    return true;
  }

  private takeHeader(tag: Writer): bool {
    if (isHeader("content-length")) {
      this.contentLength = line.number();
      return this.contentLength >= 0 && line.length == 0;
    }
    if (isHeader("transfer-encoding")) return (this.isChunked = line.word("chunked")) && line.length == 0;
    if (isHeader("content-range")) return this.takeRange();
    if (isHeader("location")) this.location.over(line.position, line.length);
    // A weak one (W/) does not promise the same bytes.
    if (this.status == 200 && isHeader("etag") && line.byte == QUOTE && line.length <= TAG_CAPACITY) {
      tag.reset().bytes(line.position, line.length);
    }
    return true;
  }

  /** "bytes 1000-1999/2000", or "bytes 1000-1999" and "/*" where the whole is not known. */
  private takeRange(): bool {
    if (!line.word("bytes ") || line.byte == STAR) return true; // of a 416
    this.rangeStart = line.number();
    if (this.rangeStart < 0 || !line.skip(DASH) || line.number() < 0 || !line.skip(SLASH)) return false;
    if (!line.skip(STAR)) this.rangeTotal = line.number();
    return true;
  }

  /** Leaves in `line` the next line, without its end. */
  private nextLine(head: Scanner): void {
    line.position = head.position;
    line.end = head.find(LINE_FEED);
    head.position = line.end;
    head.skip(LINE_FEED);
    while (line.length > 0 && (load<u8>(line.end - 1) == CARRIAGE_RETURN || load<u8>(line.end - 1) == SPACE)) line.end--;
  }
}

const lines = new Scanner();
const line = new Scanner();

/** Whether the line is this header; if so, only its value is left. */
function isHeader(name: string): bool {
  const start = line.position;
  if (line.word(name) && line.skip(COLON)) {
    line.skipBlanks();
    return true;
  }
  line.position = start;
  return false;
}

function malformed(): bool {
  problem("the server's answer is not HTTP as it should be");
  return false;
}

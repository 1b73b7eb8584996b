import { problem } from "../report";
import { Text, Writer } from "../text";
import { Scanner } from "./scanner";

const COLON: u8 = 0x3a;
const SLASH: u8 = 0x2f;
const SPACE: u8 = 0x20;
const DELETE: u8 = 0x7f;
const HTTP_PORT: i64 = 80;
const LAST_PORT: i64 = 65535;
/** Signed redirects of content networks are long; more is not one. */
const CAPACITY: i32 = 2048;

/** Where something is to be had by HTTP. */
@final
export class Url {
  readonly text: Writer = new Writer(CAPACITY);
  /** As the Host header has it: host, and port where one is given. */
  readonly authority: Scanner = new Scanner();
  /** What is asked for, from the first slash; empty for the top. */
  readonly path: Scanner = new Scanner();
  host: Text = new Text(0, 0);
  port: i32 = 0;

  /** Takes over an address; false after a description of what is wrong with it. */
  set(from: Text): bool {
    this.text.reset().text(from);
    return this.parse();
  }

  /** Goes where a redirect leads: to another address, or to another place on the same host. */
  redirect(start: usize, length: i32): bool {
    if (length > 0 && load<u8>(start) == SLASH && (length == 1 || load<u8>(start, 1) != SLASH)) {
      this.text.truncate(<i32>(this.authority.end - this.text.start));
    } else {
      this.text.reset();
    }
    this.text.bytes(start, length);
    return this.parse();
  }

  private parse(): bool {
    const rest = scanner.over(this.text.start, this.text.length);
    for (let at = rest.position; at < rest.end; at++) {
      if (load<u8>(at) <= SPACE || load<u8>(at) >= DELETE) return this.refuse("not a sound address");
    }
    if (this.text.overflowed) return this.refuse("too long an address");
    if (rest.word("https://")) return this.refuse("https is not spoken here; the root hash protects the image, so http will do");
    if (!rest.word("http://")) return this.refuse("not an http:// address");
    const start = rest.position;
    const end = rest.find(SLASH);
    const colon = min(rest.find(COLON), end);
    this.host = new Text(start, <i32>(colon - start));
    this.authority.over(start, <i32>(end - start));
    this.path.over(end, <i32>(rest.end - end));
    rest.position = colon;
    const port = rest.skip(COLON) ? rest.number() : HTTP_PORT;
    if (this.host.length == 0 || port <= 0 || port > LAST_PORT || (colon < end && rest.position != end)) {
      return this.refuse("an address without a host, or with a port that there is not");
    }
    this.port = <i32>port;
    return true;
  }

  private refuse(why: string): bool {
    problem(why).literal(": ").text(this.text.toText());
    return false;
  }
}

const scanner = new Scanner();

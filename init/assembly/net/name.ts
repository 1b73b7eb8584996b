import * as kernel from "../kernel";
import { because, problem } from "../report";
import { Text } from "../text";
import { parseAddress, SOCKADDR_SIZE, socketAddress } from "./address";
import { settings } from "./settings";
import { NANOSECONDS_IN_MS, receive } from "./stream";

// RFC 1035, 4.1. All numbers with the highest byte first.
const FLAGS: i32 = 2;
const QUESTIONS: i32 = 4;
const ANSWERS: i32 = 6;
const HEADER_SIZE: i32 = 12;
const IS_RESPONSE: u16 = 0x8000;
const RECURSION_DESIRED: u16 = 0x0100;
const RESULT_CODE: u16 = 0x000f;
const NO_SUCH_NAME: u16 = 3;
/** Type A, class IN, as one number. */
const ADDRESS_IN_INTERNET: u32 = 0x00010001;
/** Behind a name: type, class, time to live, length. */
const RECORD_SIZE: i32 = 10;
const RECORD_LENGTH: i32 = 8;
const ADDRESS_SIZE: i32 = 4;
/** The first of two bytes that say where the rest of a name is. */
const POINTER: u8 = 0xc0;
const LONGEST_LABEL: i32 = 63;
const LONGEST_NAME: i32 = 253;
const DOT: u8 = 0x2e;

const PORT: i32 = 53;
const CAPACITY: i32 = 512;
/** Each server is asked so often, and given more time each time. */
const ROUNDS: i32 = 3;
const FIRST_WAIT_MS: i64 = 1000;

const message = memory.data(CAPACITY);
let length: i32 = 0;
let isUnknown: bool = false;

/** The address of a host that is given as an address or by its name, or 0 after a description of what is wrong. */
export function resolve(host: Text): u32 {
  const literal = parseAddress(host);
  if (literal > 0) return <u32>literal;
  if (settings.nameServerCount == 0) {
    problem("no name server is known that could say where ").text(host).literal(" is");
    return 0;
  }
  isUnknown = false;
  let fault = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < settings.nameServerCount; i++) {
      const address = ask(settings.nameServers[i], host, FIRST_WAIT_MS << round);
      if (address > 0) return <u32>address;
      if (address < 0) fault = <i32>address;
      if (!isUnknown) continue;
      problem("the name server says that there is no address for ").text(host);
      return 0;
    }
  }
  because(problem("no name server answered where ").text(host).literal(" is"), fault);
  return 0;
}

/** Asks one server once: the address, 0 when its answer has none, or -errno. */
function ask(server: u32, host: Text, waitMs: i64): i64 {
  if (!compose(host)) {
    isUnknown = true; // no host can have this name
    return 0;
  }
  const socket = kernel.socket(kernel.AF_INET, kernel.SOCK_DGRAM | kernel.SOCK_CLOEXEC | kernel.SOCK_NONBLOCK, 0);
  if (socket < 0) return socket;
  // Of a connected socket the kernel takes only answers from this server, and only to our port, which it chose.
  let result: i64 = kernel.connect(socket, socketAddress(server, PORT), SOCKADDR_SIZE);
  if (result >= 0) result = kernel.write(socket, message, length);
  const deadline = kernel.clock() + waitMs * NANOSECONDS_IN_MS;
  const id = load<u16>(message);
  while (result >= 0) {
    result = receive(socket, message, CAPACITY, deadline);
    if (result < HEADER_SIZE || load<u16>(message) != id || (number16(FLAGS) & IS_RESPONSE) == 0) continue;
    result = addressIn(<i32>result);
    break;
  }
  kernel.close(socket);
  return result;
}

/** A question for the host's address; false when this cannot be a name. */
function compose(host: Text): bool {
  memory.fill(message, 0, CAPACITY);
  store<u16>(message, <u16>(kernel.clock() >> 10));
  store<u16>(message, bswap<u16>(RECURSION_DESIRED), FLAGS);
  store<u16>(message, bswap<u16>(1), QUESTIONS);
  if (host.length > LONGEST_NAME) return false;
  length = HEADER_SIZE;
  for (let from = 0; from < host.length; ) {
    let to = from;
    while (to < host.length && host.at(to) != DOT) to++;
    if (to == from || to - from > LONGEST_LABEL) return false;
    store<u8>(message + length, <u8>(to - from));
    memory.copy(message + length + 1, host.start + from, to - from);
    length += 1 + to - from;
    from = to + 1;
  }
  store<u32>(message + length + 1, bswap(ADDRESS_IN_INTERNET));
  length += 1 + 4;
  return true;
}

/** The first address in the message of `size` bytes, or 0. Aliases need no care: the server adds what they stand for. */
function addressIn(size: i32): i64 {
  const code = number16(FLAGS) & RESULT_CODE;
  isUnknown = code == NO_SUCH_NAME;
  if (code != 0) return 0;
  let at = HEADER_SIZE;
  for (let i: i32 = number16(QUESTIONS); i > 0 && at < size; i--) at = behindName(at, size) + 4;
  for (let i: i32 = number16(ANSWERS); i > 0; i--) {
    at = behindName(at, size);
    const content = at + RECORD_SIZE;
    if (content > size) return 0;
    const end = content + number16(at + RECORD_LENGTH);
    if (end > size) return 0;
    if (bswap(load<u32>(message + at)) == ADDRESS_IN_INTERNET && end - content == ADDRESS_SIZE) {
      return bswap(load<u32>(message + content));
    }
    at = end;
  }
  isUnknown = true; // the name is there, but has no address
  return 0;
}

/** Where the name at `at` ends; beyond the message when it does not. */
function behindName(at: i32, size: i32): i32 {
  while (at < size) {
    const label = load<u8>(message + at);
    if (label >= POINTER) return at + 2;
    at += 1 + label;
    if (label == 0) return at;
  }
  return CAPACITY;
}

function number16(at: i32): u16 {
  return bswap<u16>(load<u16>(message + at));
}

import { Interface, MAC_SIZE } from "./interfaces";

// RFC 2131, figure 1. All numbers with the highest byte first.
const OP: usize = 0;
const HTYPE: usize = 1;
const HLEN: usize = 2;
const XID: usize = 4;
const SECS: usize = 8;
const FLAGS: usize = 10;
const YIADDR: usize = 16;
const CHADDR: usize = 28;
const SNAME: i32 = 44;
const FILE: i32 = 108;
const MAGIC: i32 = 236;
const OPTIONS: i32 = 240;
const BOOTREQUEST: u8 = 1;
const BOOTREPLY: u8 = 2;
const ETHERNET: u8 = 1;
const BROADCAST: u16 = 0x8000;
const MAGIC_COOKIE: u32 = 0x63825363;

// RFC 2132, RFC 3442
export const SUBNET_MASK: u8 = 1;
export const ROUTER: u8 = 3;
export const NAME_SERVER: u8 = 6;
export const INTERFACE_MTU: u8 = 26;
const REQUESTED_ADDRESS: u8 = 50;
const OVERLOAD: u8 = 52;
const MESSAGE_TYPE: u8 = 53;
export const SERVER: u8 = 54;
const PARAMETER_LIST: u8 = 55;
const MAXIMUM_SIZE: u8 = 57;
const VENDOR_CLASS: u8 = 60;
export const CLASSLESS_ROUTES: u8 = 121;
const PAD: u8 = 0;
const END: u8 = 255;

export const DISCOVER: u8 = 1;
export const OFFER: u8 = 2;
export const REQUEST: u8 = 3;
export const ACK: u8 = 5;
export const NAK: u8 = 6;

/** RFC 1542, 2.1: relays drop what is shorter than BOOTP's messages were. */
const SHORTEST: i32 = 300;
/** What fits an Ethernet frame. */
export const CAPACITY: i32 = 1500;

export const message = memory.data(CAPACITY);
let length: i32 = 0;

/** Composes a request; its length. `address` and `server` are 0 in a DISCOVER. */
export function compose(type: u8, from: Interface, xid: u32, seconds: i32, address: u32, server: u32): i32 {
  memory.fill(message, 0, CAPACITY);
  store<u8>(message, BOOTREQUEST, OP);
  store<u8>(message, ETHERNET, HTYPE);
  store<u8>(message, <u8>MAC_SIZE, HLEN);
  store<u32>(message, bswap(xid), XID);
  store<u16>(message, bswap<u16>(<u16>seconds), SECS);
  // An answer to an address that this machine does not have yet would not get past the kernel.
  store<u16>(message, bswap<u16>(BROADCAST), FLAGS);
  memory.copy(message + CHADDR, from.mac, MAC_SIZE);
  store<u32>(message + MAGIC, bswap(MAGIC_COOKIE));
  length = OPTIONS;
  add(MESSAGE_TYPE).byte(type);
  if (address != 0) add(REQUESTED_ADDRESS).number(address);
  if (server != 0) add(SERVER).number(server);
  add(MAXIMUM_SIZE).byte(<u8>(CAPACITY >> 8)).byte(<u8>(CAPACITY & 0xff));
  add(VENDOR_CLASS).byte(0x6c).byte(0x61).byte(0x7a).byte(0x79).byte(0x72).byte(0x64); // "lazyrd"
  add(PARAMETER_LIST).byte(SUBNET_MASK).byte(CLASSLESS_ROUTES).byte(ROUTER).byte(NAME_SERVER).byte(INTERFACE_MTU);
  store<u8>(message + length, END);
  return max(length + 1, SHORTEST);
}

/** Fills the option that was begun last; its length follows what is put into it. */
@final
class OptionWriter {
  start: usize = 0;

  byte(value: u8): OptionWriter {
    store<u8>(message + length++, value);
    store<u8>(this.start, load<u8>(this.start, 1) + 1, 1);
    return this;
  }

  number(value: u32): OptionWriter {
    for (let shift = 24; shift >= 0; shift -= 8) this.byte(<u8>(value >> shift));
    return this;
  }
}

const writer = new OptionWriter();

function add(code: u8): OptionWriter {
  writer.start = message + length;
  store<u8>(writer.start, code);
  length += 2;
  return writer;
}

/** The kind of the message of `size` bytes in `message`, or 0 when it is none, or not an answer to our request. */
export function replyType(size: i32, to: Interface, xid: u32): u8 {
  length = size;
  if (size < OPTIONS || load<u8>(message, OP) != BOOTREPLY || load<u32>(message, XID) != bswap(xid)) return 0;
  if (memory.compare(message + CHADDR, to.mac, MAC_SIZE) != 0 || load<u32>(message + MAGIC) != bswap(MAGIC_COOKIE)) return 0;
  const type = findOption(MESSAGE_TYPE, 1);
  return type == 0 ? 0 : load<u8>(type, 1);
}

/** "Your" address in the message. */
export function offeredAddress(): u32 {
  return bswap(load<u32>(message, YIADDR));
}

/** The first four bytes of an option, or 0. */
export function numberOption(code: u8): u32 {
  const option = findOption(code, 4);
  return option == 0 ? 0 : bswap(load<u32>(option, 1));
}

/**
 * The address of an option's length, which its value follows, or 0 when there is none of at least `least` bytes.
 * When their own place is full, options may be in those of two names (RFC 2131, 4.1).
 */
export function findOption(code: u8, least: u8): usize {
  let option = optionBetween(OPTIONS, length, code);
  const overload = optionBetween(OPTIONS, length, OVERLOAD);
  const places: u8 = overload == 0 || load<u8>(overload) == 0 ? 0 : load<u8>(overload, 1);
  if (option == 0 && (places & 1) != 0) option = optionBetween(FILE, MAGIC, code);
  if (option == 0 && (places & 2) != 0) option = optionBetween(SNAME, FILE, code);
  return option == 0 || load<u8>(option) < least ? 0 : option;
}

function optionBetween(from: i32, to: i32, code: u8): usize {
  while (from < to) {
    const kind = load<u8>(message + from);
    if (kind == PAD) {
      from++;
      continue;
    }
    if (kind == END || from + 1 >= to) break;
    const next = from + 2 + load<u8>(message + from, 1);
    if (next > to) break;
    if (kind == code) return message + from + 1;
    from = next;
  }
  return 0;
}

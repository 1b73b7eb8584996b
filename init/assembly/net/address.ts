import * as kernel from "../kernel";
import { Text, Writer } from "../text";
import { Scanner } from "./scanner";

const DOT: u8 = 0x2e;

// struct sockaddr_in (ip(7))
export const SOCKADDR_SIZE: i32 = 16;
const PORT: usize = 2;
const ADDRESS: usize = 4;

const socketAddressBytes = memory.data(16);
const scanner = new Scanner();

/** An IPv4 address as a number, its first byte the highest, or -1 when there is none here. */
export function scanAddress(from: Scanner): i64 {
  let address: i64 = 0;
  for (let i = 0; i < 4; i++) {
    if (i > 0 && !from.skip(DOT)) return -1;
    const part = from.number();
    if (part < 0 || part > 255) return -1;
    address = (address << 8) | part;
  }
  return address;
}

/** The address that `text` is and nothing else, or -1. */
export function parseAddress(text: Text): i64 {
  const address = scanAddress(scanner.over(text.start, text.length));
  return scanner.length == 0 ? address : -1;
}

export function writeAddress(writer: Writer, address: u32): Writer {
  for (let shift = 24; shift >= 0; shift -= 8) {
    writer.number((address >> shift) & 0xff);
    if (shift > 0) writer.byte(DOT);
  }
  return writer;
}

/** How many bits of a netmask are set, or -1 when it is not ones followed by zeros. */
export function prefixOf(mask: u32): i32 {
  const prefix = clz<u32>(~mask);
  return mask << prefix == 0 || prefix == 32 ? prefix : -1;
}

/** The address of a struct sockaddr_in, valid until the next call. */
export function socketAddress(address: u32, port: i32): usize {
  store<u16>(socketAddressBytes, <u16>kernel.AF_INET);
  store<u16>(socketAddressBytes, bswap<u16>(<u16>port), PORT);
  store<u32>(socketAddressBytes, bswap(address), ADDRESS);
  return socketAddressBytes;
}

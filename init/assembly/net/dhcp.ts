import * as kernel from "../kernel";
import { Writer } from "../text";
import { prefixOf, SOCKADDR_SIZE, socketAddress } from "./address";
import * as dhcp from "./dhcp-message";
import { Interface } from "./interfaces";
import { settings } from "./settings";
import { NANOSECONDS_IN_MS, receive } from "./stream";

const SERVER_PORT: i32 = 67;
const CLIENT_PORT: i32 = 68;
const EVERYBODY: u32 = 0xffffffff;
/** How often a REQUEST is sent before the offer is taken for void. */
const MOST_REQUESTS: i32 = 3;
/** RFC 1122, 3.3.2: smaller ones are not to be believed. */
const SMALLEST_MTU: i32 = 576;
/** Where an address's netmask is not said: that of its class (RFC 2132, 3.3, takes it for granted). */
const CLASS_A_END: u32 = 0x80000000;
const CLASS_B_END: u32 = 0xc0000000;

const one = memory.data(4);
let start: i64 = 0;

/**
 * Asks on one interface for an address, waiting up to `waitMs` for each answer, and for none beyond `deadline`; whether
 * `settings` have it now.
 *
 * The socket is an ordinary one that is bound to the interface. The kernel sends a broadcast from an interface without an
 * address, and takes one in. So neither packet sockets nor their module are needed.
 */
export function askForAddress(on: Interface, name: Writer, waitMs: i32, deadline: i64): bool {
  const socket = openSocket(name);
  if (socket < 0) return false;
  if (start == 0) start = kernel.clock();
  // Different at each attempt and on each machine; nothing depends on its being a secret.
  const xid = <u32>kernel.clock() ^ load<u32>(on.mac, 2);
  let isBound = false;
  if (send(socket, dhcp.DISCOVER, on, xid, 0, 0) && awaitReply(socket, on, xid, dhcp.OFFER, waitMs, deadline)) {
    const address = dhcp.offeredAddress();
    const server = dhcp.numberOption(dhcp.SERVER);
    for (let i = 0; i < MOST_REQUESTS && !isBound; i++) {
      if (!send(socket, dhcp.REQUEST, on, xid, address, server)) break;
      isBound = awaitReply(socket, on, xid, dhcp.ACK, waitMs, deadline);
      if (!isBound && wasRefused) break;
    }
  }
  kernel.close(socket);
  if (isBound) takeSettings();
  return isBound;
}

function openSocket(name: Writer): i32 {
  const socket = kernel.socket(kernel.AF_INET, kernel.SOCK_DGRAM | kernel.SOCK_CLOEXEC | kernel.SOCK_NONBLOCK, 0);
  if (socket < 0) return socket;
  store<u32>(one, 1);
  let result = kernel.setsockopt(socket, kernel.SOL_SOCKET, kernel.SO_BROADCAST, one, 4);
  if (result >= 0) result = kernel.setsockopt(socket, kernel.SOL_SOCKET, kernel.SO_BINDTODEVICE, name.start, name.length);
  if (result >= 0) result = kernel.bind(socket, socketAddress(0, CLIENT_PORT), SOCKADDR_SIZE);
  if (result >= 0) return socket;
  kernel.close(socket);
  return result;
}

function send(socket: i32, type: u8, on: Interface, xid: u32, address: u32, server: u32): bool {
  const seconds = <i32>((kernel.clock() - start) / 1_000_000_000);
  const length = dhcp.compose(type, on, xid, seconds, address, server);
  return kernel.sendto(socket, dhcp.message, length, socketAddress(EVERYBODY, SERVER_PORT), SOCKADDR_SIZE) == length;
}

let wasRefused: bool = false;

/** Waits for the answer of this type; anything else is passed over, but a NAK ends the wait. */
function awaitReply(socket: i32, on: Interface, xid: u32, type: u8, waitMs: i32, deadline: i64): bool {
  const until = min(deadline, kernel.clock() + <i64>waitMs * NANOSECONDS_IN_MS);
  wasRefused = false;
  while (!wasRefused) {
    const length = receive(socket, dhcp.message, dhcp.CAPACITY, until);
    if (length < 0) return false;
    const found = dhcp.replyType(length, on, xid);
    if (found == type && dhcp.offeredAddress() != 0) return true;
    wasRefused = found == dhcp.NAK && type == dhcp.ACK;
  }
  return false;
}

function takeSettings(): void {
  const address = dhcp.offeredAddress();
  const mask = dhcp.numberOption(dhcp.SUBNET_MASK);
  settings.address = address;
  settings.prefix = mask == 0 ? prefixOfClass(address) : prefixOf(mask);
  if (settings.prefix < 0) settings.prefix = 32; // a mask with holes: the gateway is reachable all the same
  // RFC 3442: who sends a list of routes means it instead of the router.
  settings.gateway = dhcp.findOption(dhcp.CLASSLESS_ROUTES, 1) == 0 ? dhcp.numberOption(dhcp.ROUTER) : 0;
  const mtu = dhcp.findOption(dhcp.INTERFACE_MTU, 2);
  settings.mtu = mtu == 0 ? 0 : bswap<u16>(load<u16>(mtu, 1));
  if (settings.mtu < SMALLEST_MTU) settings.mtu = 0;
  const servers = dhcp.findOption(dhcp.NAME_SERVER, 4);
  if (servers == 0) return;
  for (let at: i32 = 0; at + 4 <= <i32>load<u8>(servers); at += 4) settings.addNameServer(bswap(load<u32>(servers + 1 + at)));
}

/** Also for `ip=` without a netmask. */
export function prefixOfClass(address: u32): i32 {
  return address < CLASS_A_END ? 8 : address < CLASS_B_END ? 16 : 24;
}

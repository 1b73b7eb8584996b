import * as kernel from "../kernel";

// struct nlmsghdr (netlink(7)), all numbers in the machine's order
const HEADER_SIZE: i32 = 16;
const BODY: usize = 16;
const TYPE: usize = 4;
const FLAGS: usize = 6;
const NLM_F_REQUEST_ACK: i32 = 0x5;
const NLM_F_REPLACE: i32 = 0x100;
const NLM_F_EXCL: i32 = 0x200;
const NLM_F_CREATE: i32 = 0x400;
const NLMSG_ERROR: u16 = 2;
const ERROR_SIZE: i32 = 20;

// <linux/rtnetlink.h>
const RTM_NEWLINK: i32 = 16;
const RTM_DELLINK: i32 = 17;
const RTM_NEWADDR: i32 = 20;
const RTM_DELADDR: i32 = 21;
const RTM_NEWROUTE: i32 = 24;

// struct ifinfomsg, <linux/if_link.h>
const IFINFOMSG_SIZE: i32 = 16;
const LINK_INDEX: usize = 4;
const LINK_FLAGS: usize = 8;
const LINK_CHANGE: usize = 12;
const IFF_UP: u32 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;

// struct ifaddrmsg, <linux/if_addr.h>
const IFADDRMSG_SIZE: i32 = 8;
const ADDRESS_PREFIX: usize = 1;
const ADDRESS_INDEX: usize = 4;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

// struct rtmsg
const RTMSG_SIZE: i32 = 12;
const ROUTE_PREFIX: usize = 1;
const ROUTE_TABLE: usize = 4;
const ROUTE_PROTOCOL: usize = 5;
const ROUTE_SCOPE: usize = 6;
const ROUTE_TYPE: usize = 7;
const ROUTE_FLAGS: usize = 8;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_BOOT: u8 = 3;
const RT_SCOPE_LINK: u8 = 253;
const RTN_UNICAST: u8 = 1;
const RTNH_F_ONLINK: u32 = 4;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;

/** The longest message is that which makes a VLAN: not half of this. */
const CAPACITY: i32 = 256;
/** The kernel answers while it takes the request: this is for one that does not. */
const ANSWER_MS: i32 = 1000;

const message = memory.data(CAPACITY);
const value = memory.data(4);
let length: i32 = 0;

/** 0 or -errno, as all here. */
export function setLinkUp(index: i32, isUp: bool): i32 {
  const flags: u32 = isUp ? IFF_UP : 0;
  linkMessage(index, RTM_NEWLINK, 0);
  store<u32>(message, flags, BODY + LINK_FLAGS);
  store<u32>(message, IFF_UP, BODY + LINK_CHANGE);
  return send();
}

export function setMtu(index: i32, mtu: i32): i32 {
  linkMessage(index, RTM_NEWLINK, 0);
  numberAttribute(IFLA_MTU, mtu);
  return send();
}

/** Makes the interface `name` of the VLAN `id` on the interface `index`. */
export function addVlan(index: i32, name: usize, nameLength: i32, id: i32): i32 {
  linkMessage(0, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  attribute(IFLA_IFNAME, name, nameLength);
  numberAttribute(IFLA_LINK, index);
  const info = length;
  attribute(IFLA_LINKINFO, 0, 0);
  store<u32>(value, 0x6e616c76); // "vlan"
  attribute(IFLA_INFO_KIND, value, 4);
  const data = length;
  attribute(IFLA_INFO_DATA, 0, 0);
  store<u16>(value, <u16>id);
  attribute(IFLA_VLAN_ID, value, 2);
  // Attributes that hold others are as long as everything behind their beginning.
  store<u16>(message + info, <u16>(length - info));
  store<u16>(message + data, <u16>(length - data));
  return send();
}

export function removeLink(index: i32): i32 {
  linkMessage(index, RTM_DELLINK, 0);
  return send();
}

export function addAddress(index: i32, address: u32, prefix: i32): i32 {
  return changeAddress(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, address, prefix);
}

export function removeAddress(index: i32, address: u32, prefix: i32): i32 {
  return changeAddress(RTM_DELADDR, 0, index, address, prefix);
}

/** A route by way of `gateway`, or, with 0, to what is on the cable itself. */
export function addRoute(index: i32, destination: u32, prefix: i32, gateway: u32): i32 {
  begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, RTMSG_SIZE);
  const body = message + HEADER_SIZE;
  store<u8>(body, <u8>kernel.AF_INET);
  store<u8>(body, <u8>prefix, ROUTE_PREFIX);
  store<u8>(body, RT_TABLE_MAIN, ROUTE_TABLE);
  store<u8>(body, RTPROT_BOOT, ROUTE_PROTOCOL);
  store<u8>(body, RTN_UNICAST, ROUTE_TYPE);
  if (gateway == 0) store<u8>(body, RT_SCOPE_LINK, ROUTE_SCOPE);
  // The gateway may be outside of the subnet: clouds hand out addresses with a netmask of 32 bits.
  else store<u32>(body, RTNH_F_ONLINK, ROUTE_FLAGS);
  if (prefix > 0) numberAttribute(RTA_DST, bswap(destination));
  numberAttribute(RTA_OIF, index);
  if (gateway != 0) numberAttribute(RTA_GATEWAY, bswap(gateway));
  return send();
}

function changeAddress(type: i32, flags: i32, index: i32, address: u32, prefix: i32): i32 {
  begin(type, flags, IFADDRMSG_SIZE);
  const body = message + HEADER_SIZE;
  store<u8>(body, <u8>kernel.AF_INET);
  store<u8>(body, <u8>prefix, ADDRESS_PREFIX);
  store<u32>(body, index, ADDRESS_INDEX);
  numberAttribute(IFA_LOCAL, bswap(address));
  numberAttribute(IFA_ADDRESS, bswap(address));
  return send();
}

function linkMessage(index: i32, type: i32, flags: i32): void {
  begin(type, flags, IFINFOMSG_SIZE);
  store<u32>(message, index, BODY + LINK_INDEX);
}

function begin(type: i32, flags: i32, bodySize: i32): void {
  memory.fill(message, 0, CAPACITY);
  store<u16>(message, <u16>type, TYPE);
  store<u16>(message, <u16>(flags | NLM_F_REQUEST_ACK), FLAGS);
  length = HEADER_SIZE + bodySize;
}

function numberAttribute(type: u16, number: u32): void {
  store<u32>(value, number);
  attribute(type, value, 4);
}

/** struct rtattr: its length, its type, its value, filled up to a multiple of four. */
function attribute(type: u16, from: usize, size: i32): void {
  const start = message + length;
  store<u16>(start, <u16>(size + 4));
  store<u16>(start, type, 2);
  memory.copy(start + 4, from, size);
  length += (size + 7) & ~3;
}

/** Has the kernel carry the message out; its answer. */
function send(): i32 {
  store<u32>(message, length);
  const socket = kernel.socket(kernel.AF_NETLINK, kernel.SOCK_RAW | kernel.SOCK_CLOEXEC, kernel.NETLINK_ROUTE);
  if (socket < 0) return socket;
  let result = kernel.write(socket, message, length);
  if (result >= 0) result = kernel.waitReadable(socket, ANSWER_MS);
  if (result >= 0) result = result == 0 ? -kernel.ETIMEDOUT : kernel.read(socket, message, CAPACITY);
  kernel.close(socket);
  if (result < 0) return result;
  if (result < ERROR_SIZE || load<u16>(message, TYPE) != NLMSG_ERROR) return -kernel.EIO;
  return load<i32>(message, HEADER_SIZE);
}

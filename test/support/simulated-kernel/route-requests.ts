import { ERRNO, KernelFault } from "./errno.ts";
import type { SimulatedNetwork } from "./network.ts";

// linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h
const HEADER_SIZE = 16;
const NLMSG_ERROR = 2;
const NLM_F_ACK = 4;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_NEWROUTE = 24;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_VLAN_ID = 1;
const IFA_LOCAL = 2;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const IFF_UP = 1;
const RTNH_F_ONLINK = 4;
const LARGEST_MTU = 9000;

/** Does what a message asks for; the kernel's answer, a struct nlmsgerr. */
export function carryOutRouteRequest(network: SimulatedNetwork, message: Buffer): Uint8Array {
  const answer = Buffer.alloc(HEADER_SIZE + 4 + HEADER_SIZE);
  answer.writeUInt32LE(answer.length, 0);
  answer.writeUInt16LE(NLMSG_ERROR, 4);
  message.copy(answer, HEADER_SIZE + 4, 0, HEADER_SIZE);
  try {
    const isWhole = message.length >= HEADER_SIZE && message.readUInt32LE(0) === message.length;
    if (!isWhole || (message.readUInt16LE(6) & NLM_F_ACK) === 0) throw new KernelFault("EINVAL");
    carryOut(network, message.readUInt16LE(4), message.subarray(HEADER_SIZE));
  } catch (error) {
    if (!(error instanceof KernelFault)) throw error;
    answer.writeInt32LE(-ERRNO[error.errno], HEADER_SIZE);
  }
  return answer;
}

function carryOut(network: SimulatedNetwork, type: number, body: Buffer): void {
  if (type === RTM_NEWLINK && body.readUInt32LE(4) === 0) addVlan(network, attributes(body.subarray(16)));
  else if (type === RTM_NEWLINK) changeLink(network, body);
  else if (type === RTM_DELLINK) network.remove(body.readUInt32LE(4));
  else if (type === RTM_NEWADDR || type === RTM_DELADDR) changeAddress(network, body, type === RTM_NEWADDR);
  else if (type === RTM_NEWROUTE) addRoute(network, body);
  else throw new KernelFault("EOPNOTSUPP");
}

function changeLink(network: SimulatedNetwork, body: Buffer): void {
  const index = body.readUInt32LE(4);
  const given = attributes(body.subarray(16));
  const mtu = given.get(IFLA_MTU)?.readUInt32LE();
  if (mtu !== undefined && mtu > LARGEST_MTU) throw new KernelFault("EINVAL");
  if (mtu !== undefined) network.get(index).mtu = mtu;
  if ((body.readUInt32LE(12) & IFF_UP) !== 0) network.setUp(index, (body.readUInt32LE(8) & IFF_UP) !== 0);
}

function addVlan(network: SimulatedNetwork, given: ReadonlyMap<number, Buffer>): void {
  const info = attributes(given.get(IFLA_LINKINFO) ?? Buffer.alloc(0));
  const data = attributes(info.get(IFLA_INFO_DATA) ?? Buffer.alloc(0));
  if (!network.hasVlans) throw new KernelFault("EOPNOTSUPP");
  const lower = network.get(given.get(IFLA_LINK)?.readUInt32LE() ?? 0);
  const name = given.get(IFLA_IFNAME)?.toString("latin1") ?? "";
  if (info.get(IFLA_INFO_KIND)?.toString("latin1") !== "vlan" || name === "") throw new KernelFault("EINVAL");
  if ([...network.interfaces.values()].some((other) => other.name === name)) throw new KernelFault("EEXIST");
  network.add({ name }, lower, data.get(IFLA_VLAN_ID)?.readUInt16LE() ?? 0);
}

function changeAddress(network: SimulatedNetwork, body: Buffer, isNew: boolean): void {
  const { addresses } = network.get(body.readUInt32LE(4));
  const prefix = body.readUInt8(1);
  const address = attributes(body.subarray(8)).get(IFA_LOCAL)?.readUInt32BE();
  if (address === undefined || prefix > 32) throw new KernelFault("EINVAL");
  const found = addresses.findIndex((other) => other.address === address && other.prefix === prefix);
  if (!isNew && found < 0) throw new KernelFault("EADDRNOTAVAIL");
  if (isNew && found < 0) addresses.push({ address, prefix });
  if (!isNew) addresses.splice(found, 1);
}

function addRoute(network: SimulatedNetwork, body: Buffer): void {
  const given = attributes(body.subarray(12));
  const gateway = given.get(RTA_GATEWAY)?.readUInt32BE() ?? 0;
  const index = given.get(RTA_OIF)?.readUInt32LE() ?? 0;
  // Every gateway here may be outside of the subnet, which the kernel wants to be told.
  if (gateway !== 0 && (body.readUInt32LE(8) & RTNH_F_ONLINK) === 0) throw new KernelFault("ENETUNREACH");
  network.addRoute({ destination: given.get(RTA_DST)?.readUInt32BE() ?? 0, prefix: body.readUInt8(1), gateway, index });
}

/** struct rtattr, one after another. @throws KernelFault where they do not fill the space. */
function attributes(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) throw new KernelFault("EINVAL");
    found.set(bytes.readUInt16LE(at + 2), bytes.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}

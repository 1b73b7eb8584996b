import { spawn } from "node:child_process";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { QEMU } from "../../src/vm/index.ts";
import { tempFolder } from "./temp.ts";

/** How QEMU frames a packet in a stream: its length in 32 bits, big-endian, before it. */
const LENGTH_BYTES = 4;
/** Ethernet: the addresses of receiver and sender come first; a tag (IEEE 802.1Q) stands behind them. */
const ADDRESSES_BYTES = 12;
const TAG_BYTES = 4;
const TAG_PROTOCOL = 0x8100;
const VLAN_MASK = 0xfff;

/**
 * A switch between a guest, in a VLAN, and QEMU's own network (DHCP; 10.0.2.2 is the host), outside of it. What the guest sends
 * without that VLAN's tag goes nowhere.
 * @returns the socket to which the guest's machine connects
 */
export async function vlanSwitch(vlan: number): Promise<string> {
  const folder = tempFolder();
  const [guestSide, networkSide] = [join(folder, "guest"), join(folder, "network")];
  const ports: { guest?: Socket; network?: Socket } = {};
  const guest = await listen(guestSide, (socket) => {
    ports.guest = socket;
    onPacket(socket, (packet) => {
      if (isTagged(packet, vlan)) send(ports.network, withoutTag(packet));
    });
  });
  const network = await listen(networkSide, (socket) => {
    ports.network = socket;
    onPacket(socket, (packet) => send(ports.guest, withTag(packet, vlan)));
  });
  // A machine without anything, whose user network is joined to the stream.
  const joined = [
    ...["-netdev", "user,id=user", "-netdev", `stream,id=stream,server=off,addr.type=unix,addr.path=${networkSide}`],
    ...["-netdev", "hubport,id=a,hubid=0,netdev=user", "-netdev", "hubport,id=b,hubid=0,netdev=stream"],
  ];
  const qemu = spawn(QEMU, ["-machine", "none", "-nodefaults", "-display", "none", ...joined], { stdio: "ignore" });
  onTestFinished(() => {
    qemu.kill("SIGKILL");
    for (const server of [guest, network]) server.close();
  });
  return guestSide;
}

function listen(path: string, onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer(onConnection);
  return new Promise((resolve) => server.listen(path, () => resolve(server)));
}

function onPacket(socket: Socket, use: (packet: Buffer) => void): void {
  let pending = Buffer.alloc(0);
  socket.on("data", (bytes: Buffer) => {
    pending = Buffer.concat([pending, bytes]);
    while (pending.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + pending.readUInt32BE();
      if (pending.length < end) break;
      use(pending.subarray(LENGTH_BYTES, end));
      pending = pending.subarray(end);
    }
  });
  // A machine that was stopped takes its end along.
  socket.on("error", () => socket.destroy());
}

function send(socket: Socket | undefined, packet: Buffer): void {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(packet.length);
  socket?.write(Buffer.concat([length, packet]));
}

function isTagged(packet: Buffer, vlan: number): boolean {
  if (packet.length < ADDRESSES_BYTES + TAG_BYTES || packet.readUInt16BE(ADDRESSES_BYTES) !== TAG_PROTOCOL)
    return false;
  return (packet.readUInt16BE(ADDRESSES_BYTES + 2) & VLAN_MASK) === vlan;
}

function withoutTag(packet: Buffer): Buffer {
  return Buffer.concat([packet.subarray(0, ADDRESSES_BYTES), packet.subarray(ADDRESSES_BYTES + TAG_BYTES)]);
}

function withTag(packet: Buffer, vlan: number): Buffer {
  const tag = Buffer.alloc(TAG_BYTES);
  tag.writeUInt16BE(TAG_PROTOCOL);
  tag.writeUInt16BE(vlan, 2);
  return Buffer.concat([packet.subarray(0, ADDRESSES_BYTES), tag, packet.subarray(ADDRESSES_BYTES)]);
}

import { call, type SystemCall } from "./call.ts";
import { KernelFault } from "./errno.ts";
import { anonymousFileSystem } from "./file-systems.ts";
import { type DirectoryInode, FileInode } from "./inodes.ts";
import type { SimulatedKernel } from "./kernel.ts";
import * as linux from "./layout.ts";
import { OpenNetworkSocket, OpenRouteSocket, OpenTcpSocket, OpenUdpSocket, parseEndpoint } from "./network-sockets.ts";
import { OpenConsole, type OpenFile, OpenRegularFile, OpenSocket } from "./open-files.ts";

/** The calls about sockets, and those that wait for them. All throw KernelFault. */
export function socketCalls(kernel: SimulatedKernel): Record<string, SystemCall> {
  const { descriptors, clock } = kernel;
  const networkSocket = (descriptor: number) => {
    const file = descriptors.get(descriptor);
    if (!(file instanceof OpenNetworkSocket)) throw new KernelFault("EINVAL");
    return file;
  };
  return {
    socket: call(["number", "number", "number"], (family, type, protocol) =>
      descriptors.add(openSocket(kernel, family, type, protocol), (type & linux.O_CLOEXEC) !== 0),
    ),
    bind: call(["number", "buffer"], (descriptor, buffer) => {
      const file = descriptors.get(descriptor);
      if (!(file instanceof OpenSocket)) {
        networkSocket(descriptor).bind(buffer);
        return 0;
      }
      const { nl_family, nl_groups } = linux.SockaddrNl.parse(buffer);
      if (nl_family !== linux.AF_NETLINK) throw new KernelFault("EINVAL");
      file.socket.bind(nl_groups);
      return 0;
    }),
    connect: call(["number", "buffer"], (descriptor, address) => {
      networkSocket(descriptor).connect(parseEndpoint(address));
      return 0;
    }),
    sendto: call(["number", "buffer", "buffer"], (descriptor, bytes, address) =>
      networkSocket(descriptor).sendTo(bytes, parseEndpoint(address)),
    ),
    setsockopt: call(["number", "number", "number", "buffer"], (descriptor, level, option, value) => {
      const socket = networkSocket(descriptor);
      if (level !== linux.SOL_SOCKET) throw new KernelFault("EINVAL");
      if (option === linux.SO_BROADCAST) socket.allowBroadcast();
      else if (option === linux.SO_BINDTODEVICE) socket.bindToDevice(Buffer.from(value).toString("latin1"));
      else throw new KernelFault("EINVAL");
      return 0;
    }),
    wait_readable: call(["number", "number"], (descriptor, timeoutMs) => {
      const file = descriptors.get(descriptor);
      if (file instanceof OpenConsole) return clock.wait(timeoutMs, () => kernel.hasInput) ? 1 : 0;
      const socket = file instanceof OpenSocket ? file.socket : networkSocket(descriptor);
      return clock.wait(timeoutMs, () => socket.isReadable) ? 1 : 0;
    }),
    wait_writable: call(["number", "number"], (descriptor, timeoutMs) => {
      const socket = networkSocket(descriptor);
      return clock.wait(timeoutMs, () => socket.isWritable) ? 1 : 0;
    }),
    memfd_create: call(["text", "number"], (_name, flags) => {
      const inode = new FileInode(anonymousFileSystem("tmpfs"), 0o777);
      const file = new OpenMemoryFile(kernel, inode);
      const descriptor = descriptors.add(file, (flags & linux.MFD_CLOEXEC) !== 0);
      file.show(descriptor);
      return descriptor;
    }),
  };
}

/** A file without a name, but for the one that every open file has in /proc. */
class OpenMemoryFile extends OpenRegularFile {
  readonly #shown: DirectoryInode;
  #name = "";

  constructor(kernel: SimulatedKernel, inode: FileInode) {
    super(kernel.mounts.root, inode, { read: true, write: true }, kernel.largestTransfer);
    this.#shown = kernel.proc.root.directory("self/fd");
  }

  show(descriptor: number): void {
    this.#name = `${descriptor}`;
    this.#shown.link(this.#name, this.inode);
  }

  override close(): void {
    this.#shown.entries.delete(this.#name);
  }
}

function openSocket(kernel: SimulatedKernel, family: number, type: number, protocol: number): OpenFile {
  const kind = type & linux.SOCKET_TYPE_MASK;
  const waits = (type & linux.O_NONBLOCK) === 0;
  if (family === linux.AF_NETLINK && kind === linux.SOCK_RAW) {
    if (protocol === linux.NETLINK_ROUTE) return new OpenRouteSocket(kernel.network);
    if (protocol !== linux.NETLINK_KOBJECT_UEVENT) throw new KernelFault("EAFNOSUPPORT");
    // A socket that waits would make the program stand still after it has read the last event.
    if (waits) throw new KernelFault("EINVAL");
    return new OpenSocket(kernel.uevents.open());
  }
  if (family !== linux.AF_INET) throw new KernelFault("EAFNOSUPPORT");
  if (waits) throw new KernelFault("EINVAL");
  if (kind === linux.SOCK_DGRAM) return new OpenUdpSocket(kernel.network);
  if (kind === linux.SOCK_STREAM) return new OpenTcpSocket(kernel.network);
  throw new KernelFault("EINVAL");
}

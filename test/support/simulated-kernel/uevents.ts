import { KernelFault } from "./errno.ts";

/** Something about the kernel's devices that is announced. */
export interface Uevent {
  readonly action: "add" | "change" | "remove";
  /** In sysfs, with a leading slash. */
  readonly path: string;
  readonly subsystem: string;
}

/** The kernel's end of all netlink sockets for device events. */
export class Uevents {
  readonly #sockets: UeventSocket[] = [];
  #sequence = 0;

  send({ action, path, subsystem }: Uevent): void {
    const words = { ACTION: action, DEVPATH: path, SUBSYSTEM: subsystem, SEQNUM: ++this.#sequence };
    const lines = [`${action}@${path}`, ...Object.entries(words).map(([key, value]) => `${key}=${value}`)];
    const message = Buffer.from(`${lines.join("\0")}\0`, "latin1");
    for (const socket of this.#sockets) socket.deliver(message);
  }

  open(): UeventSocket {
    const socket = new UeventSocket();
    this.#sockets.push(socket);
    return socket;
  }
}

export class UeventSocket {
  #isBound = false;
  readonly #queue: Uint8Array[] = [];

  /** `groups`: 1 for what the kernel sends. */
  bind(groups: number): void {
    this.#isBound = (groups & 1) !== 0;
  }

  deliver(message: Uint8Array): void {
    if (this.#isBound) this.#queue.push(message);
  }

  get isReadable(): boolean {
    return this.#queue.length > 0;
  }

  /** One message; what does not fit is lost, as with any datagram. @throws KernelFault EAGAIN. */
  receive(): Uint8Array {
    const message = this.#queue.shift();
    if (message === undefined) throw new KernelFault("EAGAIN");
    return message;
  }
}

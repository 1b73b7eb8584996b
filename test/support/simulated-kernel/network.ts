import type { SimulatedClock } from "./clock.ts";
import { KernelFault } from "./errno.ts";
import { DirectoryInode, FileInode, type FileSystem, generated } from "./inodes.ts";

/** Where a datagram goes to or comes from. Addresses are numbers, their first byte the highest. */
export interface Endpoint {
  readonly address: number;
  readonly port: number;
}

export interface Datagram {
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** 0 outside of VLANs. */
  readonly vlan: number;
  readonly bytes: Uint8Array;
}

/** The machine's end of a TCP connection, for the peer to act on. */
export interface Connection {
  send(bytes: Uint8Array): void;
  /** No more comes: the peer has closed its side. */
  end(): void;
  /** The peer has broken off; what was not read yet is lost. */
  reset(): void;
}

/** What is at the other end of a cable. Without a method, whatever the machine sends is lost. */
export interface Peer {
  datagram?(datagram: Datagram, answer: (datagram: Omit<Datagram, "vlan">, delayMs?: number) => void): void;
  /** What takes the machine's bytes, "refused", or undefined: nobody answers. */
  connect?(to: Endpoint, connection: Connection): ((bytes: Uint8Array) => void) | "refused" | undefined;
}

/** An interface as it is announced. */
export interface InterfaceFacts {
  readonly name: string;
  readonly mac?: string;
  /** ARPHRD, default 1: Ethernet. */
  readonly type?: number;
  /** How long after it was brought up a carrier is there; undefined: never. */
  readonly carrierAfterMs?: number;
  readonly peer?: Peer;
  /** What else is in its folder in sysfs; by default "device". */
  readonly folders?: readonly string[];
  readonly isUp?: boolean;
}

export interface Route {
  readonly destination: number;
  readonly prefix: number;
  readonly gateway: number;
  readonly index: number;
}

const DEFAULT_MTU = 1500;
const EVERYBODY = 0xffff_ffff;

export class NetworkInterface {
  readonly index: number;
  readonly name: string;
  readonly facts: InterfaceFacts;
  /** For a VLAN: what it is on, and its number. */
  readonly lower: NetworkInterface | undefined;
  readonly vlan: number;
  isUp = false;
  hasOwnCarrier = false;
  mtu = DEFAULT_MTU;
  readonly addresses: { readonly address: number; readonly prefix: number }[] = [];

  constructor(index: number, facts: InterfaceFacts, lower?: NetworkInterface, vlan = 0) {
    this.index = index;
    this.name = facts.name;
    this.facts = facts;
    this.lower = lower;
    this.vlan = vlan;
  }

  get hasCarrier(): boolean {
    return this.lower === undefined ? this.hasOwnCarrier : this.lower.isUp && this.lower.hasCarrier;
  }

  get peer(): Peer {
    return this.lower?.peer ?? this.facts.peer ?? {};
  }
}

/** Interfaces, addresses and routes; IPv4 only. */
export class SimulatedNetwork {
  readonly interfaces = new Map<number, NetworkInterface>();
  readonly routes: Route[] = [];
  /** Sockets that datagrams can be delivered to. */
  readonly listeners = new Set<(on: NetworkInterface, datagram: Datagram) => void>();
  readonly clock: SimulatedClock;
  /** The kernel has the module for VLANs. */
  hasVlans = true;
  readonly #sysfs: FileSystem;
  #lastIndex = 1;
  #lastPort = 40_000;

  constructor(clock: SimulatedClock, sysfs: FileSystem) {
    this.clock = clock;
    this.#sysfs = sysfs;
    this.add({ name: "lo", type: 772, folders: [] });
  }

  add(facts: InterfaceFacts, lower?: NetworkInterface, vlan = 0): NetworkInterface {
    const added = new NetworkInterface(this.#lastIndex++, facts, lower, vlan);
    this.interfaces.set(added.index, added);
    const folder = `class/net/${added.name}`;
    const file = (name: string, show: () => string) =>
      this.#sysfs.root.put(`${folder}/${name}`, new FileInode(this.#sysfs, 0o444, generated(show)));
    file("ifindex", () => `${added.index}\n`);
    file("type", () => `${facts.type ?? 1}\n`);
    file("address", () => `${facts.mac ?? "52:54:00:12:34:56"}\n`);
    file("carrier", () => {
      if (!added.isUp) throw new KernelFault("EINVAL");
      return added.hasCarrier ? "1\n" : "0\n";
    });
    for (const name of facts.folders ?? (lower === undefined ? ["device"] : [])) {
      this.#sysfs.root.put(`${folder}/${name}`, new DirectoryInode(this.#sysfs));
    }
    if (facts.isUp === true) this.setUp(added.index, true);
    return added;
  }

  remove(index: number): void {
    const removed = this.get(index);
    if (removed.lower === undefined) throw new KernelFault("EOPNOTSUPP");
    this.setUp(index, false);
    this.interfaces.delete(index);
    this.#sysfs.root.directory("class/net").entries.delete(removed.name);
  }

  /** @throws KernelFault ENODEV. */
  get(index: number): NetworkInterface {
    const found = this.interfaces.get(index);
    if (found === undefined) throw new KernelFault("ENODEV");
    return found;
  }

  byName(name: string): NetworkInterface {
    const found = [...this.interfaces.values()].find((candidate) => candidate.name === name);
    if (found === undefined) throw new KernelFault("ENODEV");
    return found;
  }

  setUp(index: number, isUp: boolean): void {
    const changed = this.get(index);
    if (changed.isUp === isUp) return;
    changed.isUp = isUp;
    changed.hasOwnCarrier = false;
    const { carrierAfterMs } = changed.facts;
    if (isUp && carrierAfterMs !== undefined) {
      this.clock.schedule(carrierAfterMs, () => {
        changed.hasOwnCarrier = changed.isUp;
      });
    }
    // As the kernel does: routes go with the interface, its addresses stay.
    if (!isUp) this.routes.splice(0, this.routes.length, ...this.routes.filter((route) => route.index !== index));
  }

  addRoute(route: Route): void {
    if (!this.get(route.index).isUp) throw new KernelFault("ENETDOWN");
    this.routes.push(route);
  }

  newPort(): number {
    return ++this.#lastPort;
  }

  /** The interface by which an address is reached, and the machine's own address there. @throws KernelFault ENETUNREACH. */
  wayTo(address: number): { on: NetworkInterface; from: number } {
    const connected = [...this.interfaces.values()].flatMap((on) =>
      on.addresses.map(({ address: own, prefix }) => ({ destination: own, prefix, gateway: 0, index: on.index })),
    );
    const best = [...connected, ...this.routes]
      .filter(({ destination, prefix }) => isIn(address, destination, prefix))
      .sort((a, b) => b.prefix - a.prefix)[0];
    const on = best === undefined ? undefined : this.interfaces.get(best.index);
    const from = on?.addresses[0]?.address;
    if (on === undefined || from === undefined || !on.isUp) throw new KernelFault("ENETUNREACH");
    return { on, from };
  }

  /** Puts a datagram on the cable. The peer's answers arrive later. */
  send(on: NetworkInterface, from: Endpoint, to: Endpoint, bytes: Uint8Array): void {
    if (!on.isUp) throw new KernelFault("ENETDOWN");
    if (!on.hasCarrier) return;
    on.peer.datagram?.({ from, to, vlan: on.vlan, bytes: bytes.slice() }, (datagram, delayMs = 1) => {
      this.clock.schedule(delayMs, () => {
        const isOurs =
          datagram.to.address === EVERYBODY || on.addresses.some((own) => own.address === datagram.to.address);
        if (!on.isUp || !isOurs) return;
        for (const listener of this.listeners) listener(on, { ...datagram, vlan: on.vlan });
      });
    });
  }
}

export function isIn(address: number, network: number, prefix: number): boolean {
  const size = 2 ** (32 - prefix);
  return Math.floor(address / size) === Math.floor(network / size);
}

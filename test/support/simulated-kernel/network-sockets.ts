import { KernelFault } from "./errno.ts";
import type { Datagram, Endpoint, NetworkInterface, SimulatedNetwork } from "./network.ts";
import { OpenFile } from "./open-files.ts";
import { carryOutRouteRequest } from "./route-requests.ts";

/** A socket that does not wait by itself: EAGAIN instead. */
export abstract class OpenNetworkSocket extends OpenFile {
  abstract get isReadable(): boolean;

  get isWritable(): boolean {
    return true;
  }

  bind(_address: Uint8Array): void {
    throw new KernelFault("EINVAL");
  }

  connect(_to: Endpoint): void {
    throw new KernelFault("EOPNOTSUPP");
  }

  sendTo(_bytes: Uint8Array, _to: Endpoint): number {
    throw new KernelFault("EOPNOTSUPP");
  }

  allowBroadcast(): void {
    throw new KernelFault("EINVAL");
  }

  bindToDevice(_name: string): void {
    throw new KernelFault("EINVAL");
  }
}

const EVERYBODY = 0xffff_ffff;
/** net/core/sock.c: SOCK_RCVBUF in datagrams of the usual size. What is more is dropped. */
const MOST_QUEUED = 64;

export class OpenUdpSocket extends OpenNetworkSocket {
  readonly #network: SimulatedNetwork;
  readonly #queue: Uint8Array[] = [];
  #device: NetworkInterface | undefined;
  #peer: Endpoint | undefined;
  #mayBroadcast = false;
  #port = 0;
  readonly #listener = (on: NetworkInterface, { from, to, bytes }: Datagram): void => {
    if (to.port !== this.#port || (this.#device !== undefined && this.#device !== on)) return;
    if (this.#peer !== undefined && (this.#peer.address !== from.address || this.#peer.port !== from.port)) return;
    if (this.#queue.length < MOST_QUEUED) this.#queue.push(bytes);
  };

  constructor(network: SimulatedNetwork) {
    super();
    this.#network = network;
    network.listeners.add(this.#listener);
  }

  override get isReadable(): boolean {
    return this.#queue.length > 0;
  }

  override allowBroadcast(): void {
    this.#mayBroadcast = true;
  }

  override bindToDevice(name: string): void {
    this.#device = this.#network.byName(name);
  }

  override bind(address: Uint8Array): void {
    this.#port = parseEndpoint(address).port;
  }

  override connect(to: Endpoint): void {
    this.#network.wayTo(to.address);
    this.#peer = to;
  }

  override write(bytes: Uint8Array): number {
    if (this.#peer === undefined) throw new KernelFault("EINVAL");
    return this.sendTo(bytes, this.#peer);
  }

  override sendTo(bytes: Uint8Array, to: Endpoint): number {
    if (to.address === EVERYBODY && !this.#mayBroadcast) throw new KernelFault("EACCES");
    const way = this.#device === undefined ? this.#network.wayTo(to.address) : { on: this.#device, from: 0 };
    this.#port ||= this.#network.newPort();
    this.#network.send(way.on, { address: way.from, port: this.#port }, to, bytes);
    return bytes.length;
  }

  /** What does not fit is lost. */
  override read(length: number): Uint8Array {
    const bytes = this.#queue.shift();
    if (bytes === undefined) throw new KernelFault("EAGAIN");
    return bytes.subarray(0, length);
  }

  override close(): void {
    this.#network.listeners.delete(this.#listener);
  }
}

const HANDSHAKE_MS = 1;

export class OpenTcpSocket extends OpenNetworkSocket {
  readonly #network: SimulatedNetwork;
  #state: "new" | "connecting" | "connected" | "refused" | "reset" = "new";
  #received: Uint8Array = new Uint8Array(0);
  #isAtEnd = false;
  #isClosed = false;
  #take: (bytes: Uint8Array) => void = () => undefined;

  constructor(network: SimulatedNetwork) {
    super();
    this.#network = network;
  }

  override get isReadable(): boolean {
    return this.#received.length > 0 || this.#isAtEnd || this.#state === "refused" || this.#state === "reset";
  }

  override get isWritable(): boolean {
    return this.#state !== "connecting";
  }

  override connect(to: Endpoint): void {
    if (this.#state === "connected") return; // the second call, which says that all went well
    if (this.#state === "refused") throw new KernelFault("ECONNREFUSED");
    if (this.#state === "connecting") throw new KernelFault("EALREADY");
    const { on } = this.#network.wayTo(to.address);
    this.#state = "connecting";
    const connection = {
      send: (bytes: Uint8Array) => {
        if (this.#isClosed || this.#state !== "connected") return;
        this.#received = Buffer.concat([this.#received, bytes]);
      },
      end: () => {
        this.#isAtEnd = true;
      },
      reset: () => {
        this.#received = new Uint8Array(0);
        this.#state = "reset";
      },
    };
    const answer = on.hasCarrier ? on.peer.connect?.(to, connection) : undefined;
    if (answer === undefined) throw new KernelFault("EINPROGRESS");
    this.#network.clock.schedule(HANDSHAKE_MS, () => {
      this.#state = answer === "refused" ? "refused" : "connected";
      if (answer !== "refused") this.#take = answer;
    });
    throw new KernelFault("EINPROGRESS");
  }

  override write(bytes: Uint8Array): number {
    if (this.#state !== "connected") throw new KernelFault("EPIPE");
    this.#take(bytes.slice());
    return bytes.length;
  }

  override read(length: number): Uint8Array {
    if (this.#state === "refused") throw new KernelFault("ECONNREFUSED");
    if (this.#state === "reset") throw new KernelFault("ECONNRESET");
    if (this.#received.length === 0 && !this.#isAtEnd) throw new KernelFault("EAGAIN");
    const bytes = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(bytes.length);
    return bytes;
  }

  override close(): void {
    this.#isClosed = true;
  }
}

/** A socket of rtnetlink(7). */
export class OpenRouteSocket extends OpenNetworkSocket {
  readonly #network: SimulatedNetwork;
  readonly #answers: Uint8Array[] = [];

  constructor(network: SimulatedNetwork) {
    super();
    this.#network = network;
  }

  override get isReadable(): boolean {
    return this.#answers.length > 0;
  }

  override write(bytes: Uint8Array): number {
    this.#answers.push(carryOutRouteRequest(this.#network, Buffer.from(bytes)));
    return bytes.length;
  }

  override read(length: number): Uint8Array {
    const answer = this.#answers.shift();
    if (answer === undefined) throw new KernelFault("EAGAIN");
    return answer.subarray(0, length);
  }
}

const AF_INET = 2;

/** struct sockaddr_in. @throws KernelFault. */
export function parseEndpoint(bytes: Uint8Array): Endpoint {
  const view = Buffer.from(bytes);
  if (view.length < 16 || view.readUInt16LE(0) !== AF_INET) throw new KernelFault("EINVAL");
  return { port: view.readUInt16BE(2), address: view.readUInt32BE(4) };
}

import type { Connection, Endpoint, Peer } from "../../support/simulated-kernel/index.ts";

/** "10.0.2.2" as the number that it stands for. */
export function ip(text: string): number {
  return text.split(".").reduce((value, part) => value * 256 + Number(part), 0);
}

export function ipBytes(text: string): number[] {
  return text.split(".").map(Number);
}

export const SERVER = "10.0.2.2";
export const CLIENT = "10.0.2.15";
export const NAME_SERVER = "10.0.2.3";
const EVERYBODY = 0xffff_ffff;

/** What a server sends over a connection, piece by piece. */
export type Piece = string | Uint8Array | { readonly pauseMs: number } | "reset" | "end";

export interface Request {
  readonly line: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Counted from 0, over all connections. */
  readonly index: number;
  readonly to: Endpoint;
}

/** A network and who is in it. */
export interface World {
  /** Answers to a DHCP message, as messages; null: none. By default a server that does as it should. */
  readonly dhcp?: ((request: DhcpRequest) => Iterable<Uint8Array>) | undefined;
  readonly dns?: ((name: string, query: Buffer) => Iterable<Uint8Array>) | undefined;
  readonly http?: ((request: Request) => Iterable<Piece> | "refused" | undefined) | undefined;
  /** Only datagrams of this VLAN are seen. */
  readonly vlan?: number;
}

export interface DhcpRequest {
  readonly bytes: Buffer;
  readonly type: number;
  readonly options: ReadonlyMap<number, Buffer>;
  /** Counted from 0. */
  readonly index: number;
}

const FIXED_SIZE = 236;
const COOKIE = [0x63, 0x82, 0x53, 0x63];
const DISCOVER = 1;
const OFFER = 2;
const ACK = 5;

/** An answer as RFC 2131 has it; `change` damages it. */
export function dhcpReply(
  request: DhcpRequest,
  given: {
    type?: number;
    address?: string;
    options?: readonly (readonly number[])[];
    change?: (reply: Buffer) => void;
  } = {},
): Buffer {
  const { type = request.type === DISCOVER ? OFFER : ACK, address = CLIENT } = given;
  const fixed = Buffer.alloc(FIXED_SIZE);
  fixed.set([2, 1, 6, 0]);
  request.bytes.copy(fixed, 4, 4, 8);
  fixed.set(ipBytes(address), 16);
  request.bytes.copy(fixed, 28, 28, 34);
  const options = given.options ?? [
    [1, 4, 255, 255, 255, 0],
    [3, 4, ...ipBytes(SERVER)],
    [6, 4, ...ipBytes(NAME_SERVER)],
  ];
  const tail = [...COOKIE, 53, 1, type, 54, 4, ...ipBytes(SERVER), ...options.flat(), 255];
  const reply = Buffer.concat([fixed, Buffer.from(tail)]);
  given.change?.(reply);
  return reply;
}

export function goodDhcp(request: DhcpRequest): Uint8Array[] {
  return [dhcpReply(request)];
}

/** An answer to a question for a name's address. */
export function dnsReply(query: Buffer, records: readonly (readonly number[])[], code = 0): Buffer {
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(0x8180 | code, 2);
  header.writeUInt16BE(records.length, 6);
  return Buffer.concat([header, query.subarray(12), Buffer.from(records.flat())]);
}

/** A record of type A for the name that was asked for. */
export function addressRecord(address: string): number[] {
  return [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...ipBytes(address)];
}

/** The other end of the cable. */
export function peerOf(world: World): Peer {
  let dhcpMessages = 0;
  let requests = 0;
  return {
    datagram: (datagram, answer) => {
      if ((world.vlan ?? 0) !== datagram.vlan) return;
      const { to, from, bytes } = datagram;
      if (to.port === 67) {
        const request = parseDhcp(Buffer.from(bytes), dhcpMessages++);
        const server = { address: ip(SERVER), port: 67 };
        for (const reply of (world.dhcp ?? goodDhcp)(request)) {
          answer({ from: server, to: { address: EVERYBODY, port: 68 }, bytes: reply });
        }
      } else if (to.port === 53) {
        const query = Buffer.from(bytes);
        for (const reply of world.dns?.(questionOf(query), query) ?? []) answer({ from: to, to: from, bytes: reply });
      }
    },
    connect: (to, connection) => {
      const probe = world.http;
      if (probe === undefined) return "refused";
      let text = "";
      return (bytes) => {
        text += Buffer.from(bytes).toString("latin1");
        if (!text.endsWith("\r\n\r\n")) return;
        const answer = probe(parseRequest(text, requests++, to));
        if (answer === "refused") connection.reset();
        else if (answer !== undefined) play(connection, answer[Symbol.iterator]());
      };
    },
  };
}

let clock: { schedule(delayMs: number, happen: () => void): void } | undefined;

/** Pauses between pieces pass on this clock. */
export function useClock(kernel: { readonly clock: NonNullable<typeof clock> }): void {
  clock = kernel.clock;
}

function play(connection: Connection, pieces: Iterator<Piece>): void {
  for (let next = pieces.next(); next.done !== true; next = pieces.next()) {
    const piece = next.value;
    if (piece === "reset") connection.reset();
    else if (piece === "end") connection.end();
    else if (typeof piece === "object" && "pauseMs" in piece) {
      clock?.schedule(piece.pauseMs, () => play(connection, pieces));
      return;
    } else connection.send(typeof piece === "string" ? Buffer.from(piece, "latin1") : piece);
  }
}

function parseRequest(text: string, index: number, to: Endpoint): Request {
  const [line = "", ...lines] = text.split("\r\n");
  const headers = Object.fromEntries(
    lines.filter((header) => header !== "").map((header) => header.toLowerCase().split(": ", 2) as [string, string]),
  );
  return { line, headers, index, to };
}

function parseDhcp(bytes: Buffer, index: number): DhcpRequest {
  const options = new Map<number, Buffer>();
  for (let at = FIXED_SIZE + COOKIE.length; bytes[at] !== 255; at += 2 + (bytes[at + 1] ?? 0)) {
    options.set(bytes[at] ?? 0, bytes.subarray(at + 2, at + 2 + (bytes[at + 1] ?? 0)));
  }
  return { bytes, type: options.get(53)?.[0] ?? 0, options, index };
}

function questionOf(query: Buffer): string {
  const labels: string[] = [];
  for (let at = 12; (query[at] ?? 0) > 0; at += 1 + (query[at] ?? 0)) {
    labels.push(query.toString("latin1", at + 1, at + 1 + (query[at] ?? 0)));
  }
  return labels.join(".");
}

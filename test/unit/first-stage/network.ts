import type { InterfaceFacts, SimulatedKernel } from "../../support/simulated-kernel/index.ts";
import { BLOCK, type Image } from "./image.ts";
import { IMAGE, planFor, type Story } from "./machine.ts";
import { type Piece, peerOf, type Request, SERVER, useClock, type World } from "./peers.ts";

export const FILE = "/lazyrd/image.raw";
export const URL = `http://${SERVER}/image.raw`;

/** The steps from nothing to the image, in memory, verified. */
export function networkSteps(given: { network?: string; url?: string; image?: Image; fetch?: string } = {}): string[] {
  const { network = "network timeout=20s", url = URL, image = IMAGE, fetch = "timeout=10s" } = given;
  const { disk, dataOffset, hashOffset, blocks, rootHash, salt } = image;
  const used = disk.length - dataOffset;
  const hashStart = (hashOffset - dataOffset) / BLOCK + 1;
  return [
    network,
    `fetch ${FILE} url=${url} size=${disk.length} ${fetch}`,
    `loop image ${FILE} offset=${dataOffset} size=${used - (used % BLOCK)}`,
    `verity root data=image hash=image data-blocks=${blocks} root-hash=${rootHash} salt=${salt} hash-start=${hashStart} on-corruption=panic`,
    "mount root /lazyrd/image erofs",
  ];
}

/** A plan that boots over the network, with `steps` instead of the usual way to the image. */
export function networkPlan(steps: readonly string[] = networkSteps()): string[] {
  const rest = planFor(IMAGE).filter((line) => !/^(device|verity|mount) /.test(line));
  return [...rest.slice(0, 2), "modules loop", "coldplug pci virtio", ...steps, ...rest.slice(3)];
}

/** A machine with this cable, and a network with this world at its other end. */
export function inNetwork(world: World, story: Story = {}, facts: Partial<InterfaceFacts> = {}): Story {
  const hardware = (kernel: SimulatedKernel) => {
    useClock(kernel);
    story.hardware?.(kernel);
    kernel.network.add({ name: "eth0", carrierAfterMs: 30, peer: peerOf(world), ...facts });
  };
  return { hasNetwork: true, hasDisk: false, plan: networkPlan(), image: IMAGE, ...story, hardware };
}

/** A server that has the image and does all as it should. */
export function serving(content: Uint8Array = IMAGE.disk): (request: Request) => Iterable<Piece> {
  return ({ headers }) => {
    const from = Number(/^bytes=(\d+)-$/.exec(headers["range"] ?? "")?.[1] ?? 0);
    return from === 0 ? whole(content) : part(content, from);
  };
}

export function whole(content: Uint8Array): Piece[] {
  return [`HTTP/1.1 200 OK\r\nContent-Length: ${content.length}\r\n\r\n`, content, "end"];
}

export function part(content: Uint8Array, from: number): Piece[] {
  const { length } = content;
  const range = `bytes ${from}-${length - 1}/${length}`;
  const head = `HTTP/1.1 206 Partial Content\r\nContent-Range: ${range}\r\nContent-Length: ${length - from}\r\n\r\n`;
  return [head, content.subarray(from), "end"];
}

/** The same bytes in chunks of `size`. */
export function chunked(content: Uint8Array, size: number): Piece[] {
  const pieces: Piece[] = ["HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n"];
  for (let at = 0; at < content.length; at += size) {
    const chunk = content.subarray(at, at + size);
    pieces.push(`${chunk.length.toString(16).toUpperCase()};name=value\r\n`, chunk, "\r\n");
  }
  return [...pieces, "0\r\nTrailer: x\r\n\r\n", "end"];
}

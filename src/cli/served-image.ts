import { GENERATION_FILES, type Generation } from "../build/index.ts";
import { type ImageServer, type ServedRequest, type ServerAddress, serveImage } from "../host/index.ts";
import type { Machine } from "../vm/index.ts";

/** How a guest of QEMU's user network sees the host. */
const HOST_OF_GUEST = "10.0.2.2";
const ANY_PORT: ServerAddress = { host: "127.0.0.1", port: 0 };

/** Serves a generation's image under its file's name and under those that its plan asks for. */
export function serveGeneration(
  generation: Generation,
  address: ServerAddress,
  onRequest?: (request: ServedRequest) => void,
): Promise<ImageServer> {
  const { place } = generation.manifest;
  const asked = place.kind === "http" ? place.urls.map((url) => new URL(url).pathname.slice(1)) : [];
  return serveImage(generation.path("image"), [GENERATION_FILES.image, ...asked], address, onRequest);
}

/** Has `run` boot a machine that can reach its image: from a server for that time only, where it comes by network. */
export async function withReachableImage<T>(
  generation: Generation,
  machine: Machine,
  run: (machine: Machine) => Promise<T>,
  onRequest?: (request: ServedRequest) => void,
): Promise<T> {
  if (generation.manifest.place.kind !== "http") return await run(machine);
  const server = await serveGeneration(generation, ANY_PORT, onRequest);
  const url = `lazyrd.url=http://${HOST_OF_GUEST}:${server.address.port}/${GENERATION_FILES.image}`;
  try {
    return await run({ ...machine, network: "user", disks: [], commandLine: `${machine.commandLine} ${url}` });
  } finally {
    server.close();
  }
}

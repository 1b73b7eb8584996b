import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MemorySink } from "../../src/bytes/index.ts";
import { type BuildInputs, buildGeneration, type Generation, parseConfig, readGeneration } from "../../src/build/index.ts";
import { encodeCpio } from "../../src/formats/cpio/index.ts";
import { OutputFolder, packageFile, readHostTree } from "../../src/host/index.ts";
import type { DriverSelection } from "../../src/kernel/index.ts";
import { type InitrdGenerator, initrdFixture, type KernelFlavour, kernelFixture } from "./fixtures.ts";
import { smallInitrd } from "./vm-programs.ts";

/** What a story boots. The small initrd is busybox and a script: an image of 4 MB that starts at once. */
export interface GenerationRequest {
  readonly kernel: KernelFlavour;
  readonly initrd: InitrdGenerator | "small";
  /** Default: virtio. */
  readonly drivers?: "virtio" | "generic";
  /** Lines of a lazyrd.toml. */
  readonly config?: string;
}

const SOURCES = fileURLToPath(new URL("../../src", import.meta.url));
const CACHE = fileURLToPath(new URL("../../.cache/generations", import.meta.url));

/**
 * The generation that lazyrd makes of a fixture. Built once for each state of lazyrd's own code and kept in
 * .cache/generations, from where generations of other states are removed.
 */
export async function generation(request: GenerationRequest): Promise<Generation> {
  const folder = join(CACHE, stateOfTheCode());
  forgetOtherStates();
  const kernel = kernelFixture(request.kernel);
  const initrd = request.initrd === "small" ? encodedSmallInitrd() : readFileSync(initrdFixture(request.initrd, request.kernel));
  const config = parseConfig(request.config ?? "");
  const drivers: DriverSelection = { kind: "set", set: request.drivers ?? "virtio" };
  const key = digest(JSON.stringify([kernel.release, digest(initrd), config, drivers]));
  const path = join(folder, key);
  if (existsSync(path)) return readGeneration(path);
  const inputs: BuildInputs = {
    kernel: readFileSync(kernel.vmlinuz),
    initrd,
    modules: [readHostTree(kernel.modules)],
    firstStageProgram: () => readFileSync(packageFile("dist/first-stage/init-x86_64")),
    drivers,
    config,
    generator: "lazyrd test",
  };
  await build(inputs, path);
  return readGeneration(path);
}

/** Another worker may build the same generation at the same time: the first one that is complete stays. */
async function build(inputs: BuildInputs, path: string): Promise<void> {
  const own = `${path}.${process.pid}`;
  const output = new OutputFolder(own);
  try {
    await buildGeneration(inputs, output, () => undefined);
    output.commit();
  } catch (error) {
    output.discard();
    throw error;
  }
  try {
    renameSync(own, path);
  } catch (error) {
    rmSync(own, { recursive: true });
    if (!existsSync(path)) throw error;
  }
}

let encoded: Uint8Array | undefined;

function encodedSmallInitrd(): Uint8Array {
  if (encoded !== undefined) return encoded;
  const sink = new MemorySink();
  encodeCpio(smallInitrd(), sink);
  encoded = sink.bytes();
  return encoded;
}

let state: string | undefined;

function stateOfTheCode(): string {
  if (state !== undefined) return state;
  const hash = createHash("sha256").update(readFileSync(packageFile("dist/first-stage/init-x86_64")));
  for (const name of readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).sort()) {
    if (name.endsWith(".ts")) hash.update(`${name}\0`).update(readFileSync(join(SOURCES, name)));
  }
  state = hash.digest("hex").slice(0, 16);
  return state;
}

/** A generation of a real initrd takes 140 MB: without this, every change to the code would leave a gigabyte. */
function forgetOtherStates(): void {
  mkdirSync(CACHE, { recursive: true });
  for (const name of readdirSync(CACHE)) {
    if (name !== stateOfTheCode()) rmSync(join(CACHE, name), { recursive: true, force: true });
  }
}

function digest(bytes: string | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Generation, readGeneration } from "../../src/build/index.ts";
import { MemorySink } from "../../src/bytes/index.ts";
import { encodeCpio, readInitramfs, treeOfInitramfs } from "../../src/formats/cpio/index.ts";
import type { Tree } from "../../src/tree/index.ts";
import { type InitrdGenerator, initrdFixture, type KernelFlavour, kernelFixture } from "./fixtures.ts";
import { publish } from "./publish.ts";
import { run } from "./tools.ts";
import { hugeInitrd, smallInitrd, smallSystem } from "./vm-programs.ts";

/** What needs no distribution: busybox and a script, an image of 6 MB that starts at once; huge is the same with a large file, system the same for layouts without an initrd. */
const OWN_INITRDS = { small: smallInitrd, huge: hugeInitrd, system: smallSystem } as const;

/** What a story boots. */
export interface GenerationRequest {
  readonly kernel: KernelFlavour;
  readonly initrd: InitrdGenerator | keyof typeof OWN_INITRDS;
  /** As `lazyrd build --drivers` takes them; default: virtio. */
  readonly drivers?: string;
  /** The text of a lazyrd.toml. */
  readonly config?: string;
  /** The text of a profile. */
  readonly profile?: string;
}

const inRepository = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
/** The command, as it lies in dist. */
export const PROGRAM = inRepository("dist/lazyrd.js");
const FIRST_STAGES = ["init-x86_64", "init-network-x86_64"].map((name) => inRepository(`dist/first-stage/${name}`));
const CACHE = inRepository(".cache/generations");

/**
 * The generation that `lazyrd build`, as it lies in dist, makes of a fixture. Kept in .cache/generations until
 * lazyrd is built anew.
 */
export function generation(request: GenerationRequest): Generation {
  if (!existsSync(PROGRAM)) throw new Error("lazyrd is not built: node scripts/build.mjs");
  const ofThisBuild = digestOf(readFileSync(PROGRAM), ...FIRST_STAGES.map((path) => readFileSync(path)));
  forgetOtherBuilds(ofThisBuild);
  const kernel = kernelFixture(request.kernel);
  const fixture = isOwn(request.initrd) ? undefined : initrdFixture(request.initrd, request.kernel);
  const initrd = isOwn(request.initrd) ? encoded(OWN_INITRDS[request.initrd]()) : readFileSync(fixture ?? "");
  const wishes = JSON.stringify([request.drivers, request.config, request.profile]);
  const path = join(CACHE, ofThisBuild, digestOf(Buffer.from(kernel.release), initrd, Buffer.from(wishes)));
  if (existsSync(path)) return readGeneration(path);

  const own = `${path}.${process.pid}`;
  mkdirSync(`${own}.inputs`, { recursive: true });
  const input = (name: string, content: string | Uint8Array): string => {
    const file = join(`${own}.inputs`, name);
    writeFileSync(file, content);
    return file;
  };
  run(process.execPath, [
    ...[PROGRAM, "build", "--quiet", "--output", own],
    ...["--kernel", kernel.vmlinuz, "--modules", kernel.modules, "--initrd", fixture ?? input("initrd", initrd)],
    ...["--drivers", request.drivers ?? "virtio", "--config", input("lazyrd.toml", request.config ?? "")],
    ...(request.profile === undefined ? [] : ["--profile", input("profile", request.profile)]),
  ]);
  rmSync(`${own}.inputs`, { recursive: true });
  publish(own, path);
  return readGeneration(path);
}

const isOwn = (initrd: GenerationRequest["initrd"]): initrd is keyof typeof OWN_INITRDS => initrd in OWN_INITRDS;

/** A generation of a real initrd takes 140 MB: without this, every new build of lazyrd would leave a gigabyte. */
function forgetOtherBuilds(current: string): void {
  mkdirSync(CACHE, { recursive: true });
  for (const name of readdirSync(CACHE)) {
    if (name !== current) rmSync(join(CACHE, name), { recursive: true, force: true });
  }
}

/** A generation's first stage after `change`, as an initrd without compression. */
export async function changedFirstStage(built: Generation, change: (tree: Tree) => void): Promise<Uint8Array> {
  const { tree } = treeOfInitramfs(await readInitramfs(readFileSync(built.path("firstStage"))));
  change(tree);
  return encoded(tree);
}

function encoded(tree: Tree): Uint8Array {
  const sink = new MemorySink();
  encodeCpio(tree, sink);
  return sink.bytes();
}

function digestOf(...parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex").slice(0, 16);
}

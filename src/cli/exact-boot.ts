import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Generation } from "../build/index.ts";
import { type ByteSource, FormatError, MemorySink } from "../bytes/index.ts";
import { encodeCpio } from "../formats/cpio/index.ts";
import { readDdi } from "../formats/ddi/index.ts";
import { openErofs } from "../formats/erofs/index.ts";
import { FileSource, inFile, OutputFile, onInterrupt } from "../host/index.ts";
import type { ImageFacts } from "../plan/index.ts";
import {
  exactPlan,
  MODULE_ARGUMENTS,
  mapImage,
  modulesLoaded,
  planExactImage,
  type Trace,
  touchedBy,
} from "../trace/index.ts";
import { regularFile, Tree } from "../tree/index.ts";
import { type Machine, type RunOptions, recordMachine } from "../vm/index.ts";
import { stepsOf } from "./traced-boot.ts";

/** Where the first stage finds its plan. */
const PLAN_PATH = "lazyrd/plan";
/** The kernel looks for another archive in the initrd at multiples of this only. */
const SEGMENT_ALIGNMENT = 4;

/**
 * Boots a generation once more, in a way that shows what of the image is used instead of what is read: from an image with
 * the same files, made for this (`planExactImage`). It takes longer; its times stand for the order only.
 * @throws as `recordMachine`, and FormatError when the generation is damaged.
 */
export async function bootExactly(
  generation: Generation,
  machine: Machine,
  options: RunOptions,
): Promise<Pick<Trace, "touched" | "modules">> {
  const folder = mkdtempSync(join(tmpdir(), "lazyrd-"));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  const stopListening = onInterrupt(removeFolder);
  try {
    const image = join(folder, "image");
    const facts = await inFile(generation.path("image"), () => writeExactImage(generation, image));
    const plan = exactPlan(readFileSync(generation.path("plan"), "utf8"), facts);
    const initrd = join(folder, "initrd");
    writeFileSync(initrd, withPlan(readFileSync(generation.path("firstStage")), plan));
    const disks = machine.disks.map((disk) => ({ ...disk, path: image }));
    const commandLine = `${machine.commandLine} ${MODULE_ARGUMENTS}`;
    const recording = await recordMachine({ ...machine, initrd, disks, commandLine }, options);
    const map = await withSource(image, (source) => mapImage(source, facts.rootHash));
    return {
      touched: touchedBy(recording.reads, map),
      modules: modulesLoaded(recording.lines, plan, stepsOf(recording)),
    };
  } finally {
    stopListening();
    removeFolder();
  }
}

function writeExactImage({ path }: Generation, target: string): Promise<ImageFacts> {
  return withSource(path("image"), async (source) => {
    const [tree] = readDdi(source).trees;
    if (tree === undefined) throw new FormatError("Cannot find a file tree in the image", { format: "ddi" });
    const exact = planExactImage((await openErofs(tree.data.source)).tree(), tree.architecture);
    const output = new OutputFile(target, { force: false });
    output.requireSpace(exact.sizeBytes);
    const written: ImageFacts[] = [];
    output.writeSparse(exact.sizeBytes, (sink) => written.push(exact.write(sink)));
    output.commit();
    return written[0] as ImageFacts;
  });
}

/** Files of a later archive replace those of an earlier one. */
function withPlan(firstStage: Uint8Array, plan: string): Uint8Array {
  const tree = new Tree();
  tree.setWithParents(PLAN_PATH, regularFile(Buffer.from(plan, "latin1")));
  const sink = new MemorySink();
  encodeCpio(tree, sink);
  const padding = new Uint8Array((SEGMENT_ALIGNMENT - (firstStage.length % SEGMENT_ALIGNMENT)) % SEGMENT_ALIGNMENT);
  return Buffer.concat([firstStage, padding, sink.bytes()]);
}

async function withSource<T>(path: string, use: (source: ByteSource) => Promise<T>): Promise<T> {
  const source = new FileSource(path, "the image");
  try {
    return await use(source);
  } finally {
    source.close();
  }
}

import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type BuildConfig,
  type BuildInputs,
  type BuildResult,
  buildGeneration,
  defaultConfig,
  OWN_NAMES,
} from "../../src/build/index.ts";
import { MemorySource } from "../../src/bytes/index.ts";
import { OutputFolder } from "../../src/host/index.ts";
import { type ParsedStep, parsePlan } from "../../src/plan/index.ts";
import type { Node, Tree } from "../../src/tree/index.ts";
import { sampleInitrd, sampleModuleFiles } from "./build-inputs.ts";
import { sampleBzImage, sampleModules } from "./kernel-samples.ts";
import { tempFolder } from "./temp.ts";

export const PROGRAM = Buffer.from("\x7fELF, so to speak");

/** Inputs of a build that are all made up; whatever is given replaces them. */
export async function sampleBuild(given: Partial<BuildInputs> = {}): Promise<BuildInputs> {
  return {
    kernel: { path: "vmlinuz", bytes: sampleBzImage() },
    initrd: { path: "initrd.img", source: new MemorySource(await sampleInitrd()) },
    modules: [{ path: "modules", tree: sampleModules(sampleModuleFiles()) }],
    firstStageProgram: () => PROGRAM,
    drivers: { kind: "set", set: "virtio" },
    config: defaultConfig(),
    acceptInitrdModules: true,
    generator: "lazyrd test",
    ...given,
  };
}

/** The default settings with some changed. */
export function sampleConfig(
  given: {
    [K in keyof BuildConfig]?: BuildConfig[K] extends string ? BuildConfig[K] : Partial<BuildConfig[K]>;
  },
): BuildConfig {
  const defaults = defaultConfig();
  return {
    layout: given.layout ?? defaults.layout,
    location: { ...defaults.location, ...given.location },
    "first-stage": { ...defaults["first-stage"], ...given["first-stage"] },
    modules: { ...defaults.modules, ...given.modules },
    image: { ...defaults.image, ...given.image },
    boot: { ...defaults.boot, ...given.boot },
    measure: { ...defaults.measure, ...given.measure },
    "image-signature": { ...defaults["image-signature"], ...given["image-signature"] },
    uki: { ...defaults.uki, ...given.uki },
  };
}

export interface BuiltGeneration extends BuildResult {
  readonly folder: string;
  readonly read: (name: string) => Buffer;
}

/** Builds into a new folder, which is removed when the test is over. */
export async function build(inputs: BuildInputs): Promise<BuiltGeneration> {
  const folder = join(tempFolder(), "generation");
  const output = new OutputFolder(folder, OWN_NAMES);
  const result = await buildGeneration(inputs, output, () => undefined);
  output.commit();
  return { ...result, folder, read: (name) => readFileSync(join(folder, name)) };
}

export function fileContent(node: Node | undefined): Buffer {
  if (node?.kind !== "file") throw new Error(`Expected a file, got ${node?.kind}`);
  return Buffer.from(node.content.read(0, node.content.size));
}

/** What the first stage's files say that it loads and carries. */
export interface FirstStageContent {
  readonly steps: readonly ParsedStep[];
  /** By pattern, the modules of each line of /lazyrd/drivers. */
  readonly drivers: readonly { readonly pattern: string; readonly modules: readonly string[] }[];
  /** The names of all modules that steps and drivers load. */
  readonly named: ReadonlySet<string>;
  /** The files of /lazyrd/modules, without .ko. */
  readonly carried: readonly string[];
}

export function firstStageContent(tree: Tree): FirstStageContent {
  const steps = parsePlan(fileContent(tree.get("lazyrd/plan")).toString("latin1"));
  const lines = fileContent(tree.get("lazyrd/drivers")).toString("latin1").trimEnd().split("\n");
  const drivers = lines.map((line) => {
    const [pattern = "", ...modules] = line.split(" ");
    return { pattern, modules: modules.map((module) => module.replace(/^\?/, "")) };
  });
  const folder = tree.get("lazyrd/modules");
  const files = folder?.kind === "directory" ? [...folder.entries.keys()] : [];
  return {
    steps,
    drivers,
    named: new Set([
      ...steps.flatMap(({ verb, words }) => (verb === "modules" || verb === "try-modules" ? words : [])),
      ...drivers.flatMap(({ modules }) => modules),
    ]),
    carried: files.map((name) => name.replace(/\.ko$/, "")),
  };
}

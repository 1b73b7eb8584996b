import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import {
  describeBase,
  GENERATION_FILES,
  type Generation,
  type Manifest,
  OPTIONAL_FILES,
  type ProgressListener,
  readGeneration,
} from "../build/index.ts";
import {
  type ByteSource,
  byteStringFrom,
  chunksOf,
  FormatError,
  fromHex,
  MemorySource,
  toHex,
  UsageError,
} from "../bytes/index.ts";
import { type DdiTree, readDdi } from "../formats/ddi/index.ts";
import { readPe, sectionNamed, sectionSource } from "../formats/pe/index.ts";
import { FileSource } from "../host/index.ts";
import { optionOf, parsePlan } from "../plan/index.ts";
import { alignedLines, formatExactSize, formatSize, labelledLines } from "../text/index.ts";
import { isVerifiable } from "./disk.ts";
import { listErofsOf } from "./erofs.ts";
import { cpioReader } from "./initramfs.ts";
import { kernelReader } from "./kernel.ts";
import type { Inspection, Reader } from "./types.ts";
import { verifyTree } from "./verify.ts";

/** What a manifest that lazyrd wrote begins with. */
const MANIFEST_START = /^\{\s*"version":/;
const MANIFEST_START_BYTES = 64;

export const manifestReader: Reader = {
  what: "a generation (its folder, or its manifest.json)",
  matches: (head) => MANIFEST_START.test(byteStringFrom(head.subarray(0, MANIFEST_START_BYTES))),
  inspect: ({ path }) => {
    if (basename(path) === GENERATION_FILES.manifest) return inspectGeneration(dirname(path));
    throw new UsageError(`Cannot inspect ${path}: a manifest describes the files beside it`, {
      hint: `give the folder of the generation, or call the file ${GENERATION_FILES.manifest}`,
    });
  },
};

/** A generation's manifest, and whether everything in the folder is as it says. */
export async function inspectGeneration(folder: string): Promise<Inspection> {
  const generation = readGeneration(folder);
  const { manifest } = generation;
  const problems = await problemsOf(generation);
  const { kernel, image, nextStage, files } = manifest;
  const sizes = Object.entries(files).map(([name, { sizeBytes, sha256 }]) => [name, formatSize(sizeBytes), sha256]);
  const total = Object.values(files).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return {
    format: "generation",
    title: `generation for kernel ${kernel.release}, ${kernel.architecture}`,
    lines: [
      ...labelledLines([
        ["made by", manifest.generator],
        ["next stage", `${nextStage.init}, ${nextStage.kind}`],
        ["command line", manifest.commandLine === "" ? "nothing added" : manifest.commandLine],
        ["root hash", image.rootHash],
        ["laid over", image.base && `${describeBase(image.base)}; what comes from there: ${OPTIONAL_FILES.leftOut}`],
        ["modules", String(manifest.explanation.modules.length)],
        ["size", formatExactSize(total)],
      ]),
      ...alignedLines([["file", "size", "sha256"], ...sizes], [1]),
      ...labelledLines([
        ["check", problems.length === 0 ? "OK, all files are as the manifest and the plan say" : undefined],
      ]),
    ],
    facts: { ...manifest, explanation: undefined, modules: manifest.explanation.modules.map(({ name }) => name) },
    warnings: [],
    problems,
    list: () =>
      withFile(generation.path("image"), (source) => readDdi(source).trees.map(({ data }) => listErofsOf(data.source))),
    dump: undefined,
    verify: (progress) => verifyGeneration(generation, problems, progress),
  };
}

/** Everything that is not as the manifest says, or where plan and image disagree; one line each. */
async function problemsOf({ folder, manifest, path }: Generation): Promise<string[]> {
  const problems: string[] = [];
  const good = new Set<string>();
  for (const [name, expected] of Object.entries(manifest.files)) {
    const problem = fileProblem(folder, name, expected);
    if (problem === undefined) good.add(name);
    else problems.push(`${name}: ${problem}`);
  }
  for (const name of Object.values(GENERATION_FILES)) {
    if (name !== GENERATION_FILES.manifest && manifest.files[name] === undefined) {
      problems.push(`${name}: the manifest does not list it`);
    }
  }
  const checks: { name: string; check: (source: FileSource) => Promise<string[]> | string[] }[] = [
    { name: GENERATION_FILES.plan, check: (source) => planProblems(textOf(source), manifest) },
    { name: GENERATION_FILES.image, check: (source) => imageProblems(source, manifest) },
    { name: OPTIONAL_FILES.uki, check: (source) => ukiProblems(source, manifest) },
    { name: GENERATION_FILES.kernel, check: (source) => kernelProblems(source, manifest) },
    {
      name: GENERATION_FILES.firstStage,
      check: (source) => firstStageProblems(source, withFile(path("plan"), textOf)),
    },
  ];
  for (const { name, check } of checks) {
    // The first stage is compared with the plan beside it, which has to be the right one.
    if (!good.has(name) || !good.has(GENERATION_FILES.plan)) continue;
    const found = await withFile(join(folder, name), (source) => orFault(() => check(source)));
    problems.push(...found.map((problem) => `${name}: ${problem}`));
  }
  return problems;
}

/** A fault that keeps a file from being read is one more thing that is wrong with it. */
async function orFault(check: () => Promise<string[]> | string[]): Promise<string[]> {
  try {
    return await check();
  } catch (cause) {
    if (cause instanceof FormatError) return [cause.message];
    throw cause;
  }
}

function fileProblem(folder: string, name: string, expected: Manifest["files"][string]): string | undefined {
  if (basename(name) !== name) return "it is not in this folder";
  let digest: string;
  try {
    const size = withFile(join(folder, name), (source) => source.size);
    if (size !== expected.sizeBytes) return `expected ${expected.sizeBytes} bytes, got ${size}`;
    digest = withFile(join(folder, name), digestOf);
  } catch (cause) {
    if (cause instanceof UsageError) return cause.message;
    throw cause;
  }
  return digest === expected.sha256 ? undefined : `expected SHA-256 ${expected.sha256}, got ${digest}`;
}

function planProblems(text: string, { image, place }: Manifest): string[] {
  const steps = parsePlan(text);
  // Older generations may be candidates as well.
  const verities = steps.filter((step) => step.verb === "verity");
  const verity = verities.find((step) => optionOf(step, "root-hash") === image.rootHash) ?? verities[0];
  if (verity === undefined) return ["it opens no image: there is no verity step"];
  const partitionOf = (device: "data" | "hash"): string | undefined => {
    const step = steps.find(({ verb, words }) => verb === "device" && words[0] === optionOf(verity, device));
    return step && optionOf(step, "partuuid");
  };
  const guids = [
    ["data partition", image.dataPartition, partitionOf("data")],
    ["hash partition", image.hashPartition, partitionOf("hash")],
  ] as const;
  const facts: readonly (readonly [string, string, string | undefined])[] = [
    ["root-hash", image.rootHash, optionOf(verity, "root-hash")],
    ["salt", image.salt, optionOf(verity, "salt")],
    ["data-blocks", String(image.dataBlocks), optionOf(verity, "data-blocks")],
    ...(place.kind === "partitions" ? guids : []),
  ];
  return facts
    .filter(([, expected, got]) => expected !== got)
    .map(([what, expected, got]) => `expected ${what} ${expected} as in the manifest, got ${got ?? "nothing"}`);
}

function imageProblems(source: FileSource, { image }: Manifest): string[] {
  const { trees, warnings } = readDdi(source);
  const hashes = trees.flatMap(({ verity }) => (verity === undefined ? [] : [toHex(verity.rootHash)]));
  if (hashes.includes(image.rootHash)) return [...warnings];
  return [
    ...warnings,
    `expected root hash ${image.rootHash} as in the plan, got ${hashes.join(", ") || "no hash tree"}`,
  ];
}

/** A unified kernel image holds what stands beside it once more. */
function ukiProblems(source: FileSource, { files, commandLine }: Manifest): string[] {
  const image = readPe(source);
  const partOf = (name: string): ByteSource => {
    const section = sectionNamed(image, name);
    return section === undefined ? new MemorySource(new Uint8Array()) : sectionSource(source, section);
  };
  const expected = [
    { section: ".linux", name: GENERATION_FILES.kernel, sha256: files[GENERATION_FILES.kernel]?.sha256 },
    { section: ".initrd", name: GENERATION_FILES.firstStage, sha256: files[GENERATION_FILES.firstStage]?.sha256 },
  ];
  const different = expected.filter(({ section, sha256 }) => digestOf(partOf(section)) !== sha256);
  const found = textOf(partOf(".cmdline"));
  return [
    ...different.map(({ section, name }) => `its section ${section} is not the file ${name} beside it`),
    ...(found === commandLine
      ? []
      : [`expected the command line ${JSON.stringify(commandLine)}, got ${JSON.stringify(found)}`]),
  ];
}

async function kernelProblems(source: FileSource, { kernel }: Manifest): Promise<string[]> {
  const { facts } = await kernelReader.inspect({ path: source.path, source });
  if (facts["release"] === kernel.release) return [];
  return [`expected release ${kernel.release}, got ${facts["release"]}`];
}

async function firstStageProblems(source: FileSource, plan: string): Promise<string[]> {
  const { facts } = await cpioReader.inspect({ path: source.path, source });
  const lines = facts["plan"];
  if (!Array.isArray(lines)) return ["it has no plan: it is no first stage of lazyrd"];
  return lines.join("\n") === plan.trimEnd() ? [] : ["its plan is not the one in the file beside it"];
}

async function verifyGeneration(
  { path, manifest }: Generation,
  problems: readonly string[],
  progress: ProgressListener,
): Promise<readonly string[]> {
  if (problems.length > 0) return []; // said already, and enough to fail
  const source = new FileSource(path("image"), "the image");
  try {
    const rootHash = fromHex(manifest.image.rootHash);
    const tree = readDdi(source)
      .trees.filter(isVerifiable)
      .find((candidate) => isFor(candidate, rootHash));
    if (tree === undefined) throw new FormatError("Cannot find the image's hash tree", { format: "ddi" });
    return [await verifyTree(tree, rootHash, progress)];
  } finally {
    source.close();
  }
}

function isFor({ verity }: DdiTree, rootHash: Uint8Array): boolean {
  return verity !== undefined && toHex(verity.rootHash) === toHex(rootHash);
}

function digestOf(source: ByteSource): string {
  const hash = createHash("sha256");
  for (const chunk of chunksOf(source)) hash.update(chunk);
  return hash.digest("hex");
}

function textOf(source: ByteSource): string {
  return Buffer.from(source.read(0, source.size)).toString("utf8");
}

/** What `work` makes of a file that is open only meanwhile. */
function withFile<T>(path: string, work: (source: FileSource) => T): T {
  const source = new FileSource(path, "the file");
  const close = (): void => source.close();
  let result: T;
  try {
    result = work(source);
  } catch (cause) {
    close();
    throw cause;
  }
  if (result instanceof Promise) result.then(close, close);
  else close();
  return result;
}

import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import {
  type ChainProgram,
  type Companions,
  checkPhase,
  INITRD_PHASES,
  PLAIN_PHASES,
  type PredictionInputs,
  type SecureBootVariables,
  type StubFile,
} from "../attest/index.ts";
import { GENERATION_FILES, OPTIONAL_FILES, readGeneration } from "../build/index.ts";
import { fromText, MemorySource, UsageError } from "../bytes/index.ts";
import { readInitramfs, treeOfInitramfs } from "../formats/cpio/index.ts";
import { readVariables } from "../formats/efi-variables/index.ts";
import { readPe, sectionNamed, sectionSource } from "../formats/pe/index.ts";
import { inFile, readInput } from "../host/index.ts";
import { checkProgramSignatures } from "../keys/index.ts";
import { type ParsedStep, parsePlan } from "../plan/index.ts";
import { sectionText } from "../uki/index.ts";

/** What is known of the machine and its boot, besides the image. */
export interface PredictionFlags {
  readonly profile: number;
  readonly loader?: readonly string[];
  readonly variables?: string;
  readonly secureBoot?: "on" | "off";
  readonly extra?: string;
  readonly esp?: string;
  readonly loadOptions?: string;
  readonly phase?: readonly string[];
}

/** Adds the options; `prefix` stands before what they say. */
export function addPredictionOptions(command: Command, prefix = ""): Command {
  const repeated = (value: string, others: string[] = []): string[] => [...others, value];
  return command
    .addOption(
      new Option("--profile <number>", `${prefix}the profile that boots`).default(0).argParser((text: string) => {
        if (/^\d{1,4}$/.test(text)) return Number(text);
        throw new InvalidArgumentError("expected a number, counted from 0");
      }),
    )
    .addOption(new Option("--loader <file>", `${prefix}what starts the image; may be repeated`).argParser(repeated))
    .option("--variables <path>", `${prefix}the machine's keys: a folder of .esl files, efivars, or OVMF's store`)
    .addOption(
      new Option("--secure-boot <state>", `${prefix}whether it is on (default: as --variables says)`).choices([
        "on",
        "off",
      ]),
    )
    .option("--extra <folder>", `${prefix}what lies beside the image (default: its .extra.d)`)
    .option("--esp <folder>", `${prefix}the EFI system partition, for what is for all images there`)
    .option("--load-options <text>", `${prefix}the command line that the boot loader passes on`)
    .addOption(
      new Option("--phase <path>", `${prefix}a phase of the boot for PCR 11; may be repeated`).argParser(repeated),
    );
}

/**
 * Reads what a prediction is made of.
 * @param path a unified kernel image, or the folder of a generation that has one
 * @throws UsageError when something cannot be found, FormatError for files that are not what they should be.
 */
export async function readPredictionInputs(path: string, flags: PredictionFlags): Promise<PredictionInputs> {
  const file = imagePath(path);
  const uki = readProgram(file);
  const loaders = (flags.loader ?? []).map(readProgram);
  const variables = flags.variables === undefined ? undefined : readSecureBoot(flags.variables);
  const signers = [...loaders, uki].map(({ program }) =>
    checkProgramSignatures(program).flatMap(({ certificate }) => certificate?.der ?? []),
  );
  const isSigned = signers.every((certificates) => certificates.length > 0);
  const isOn = variables === undefined ? isSigned : variables.PK !== undefined;
  const phases = flags.phase ?? [...new Set([...INITRD_PHASES, ...PLAIN_PHASES])];
  return {
    uki,
    loaders,
    profile: flags.profile,
    phases: phases.map(checkPhase),
    secureBoot: flags.secureBoot === undefined ? isOn : flags.secureBoot === "on",
    variables,
    signers,
    companions: readCompanions(file, flags),
    plan: await inFile(file, () => readPlan(uki.program)),
  };
}

function imagePath(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return path;
  const uki = join(readGeneration(path).folder, OPTIONAL_FILES.uki);
  if (existsSync(uki)) return uki;
  throw new UsageError(`Cannot predict anything for ${path}: it has no unified kernel image`, {
    hint: "systemd-stub is what measures: build with --uki",
  });
}

function readProgram(path: string): ChainProgram {
  return { name: basename(path), program: readInput(path, "the EFI program") };
}

const PLAN_PATH = fromText(`lazyrd/${GENERATION_FILES.plan}`);

/** The plan of the first stage in an image; no steps where its initrd is not lazyrd's. */
async function readPlan(program: Uint8Array): Promise<ParsedStep[]> {
  const source = new MemorySource(program);
  const section = sectionNamed(readPe(source), ".initrd");
  if (section === undefined) return [];
  const initrd = sectionSource(source, section);
  const node = treeOfInitramfs(await readInitramfs(initrd)).tree.resolve(PLAN_PATH);
  if (node?.kind !== "file") return [];
  return parsePlan(Buffer.from(node.content.read(0, node.content.size)).toString("utf8"));
}

const VARIABLE_NAMES = ["PK", "KEK", "db", "dbx"] as const;
/** Before a variable's value in efivarfs: its attributes. */
const ATTRIBUTES_BYTES = 4;

function readSecureBoot(path: string): SecureBootVariables {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) {
    const stored = readVariables(readInput(path, "the variables"));
    return Object.fromEntries(VARIABLE_NAMES.map((name) => [name, stored.find((each) => each.name === name)?.value]));
  }
  const names = readdirSync(path);
  const variable = (name: string): Uint8Array | undefined => {
    if (names.includes(`${name}.esl`)) return readInput(join(path, `${name}.esl`), "the variable");
    const variable = names.find((each) => each.startsWith(`${name}-`));
    return variable === undefined
      ? undefined
      : readInput(join(path, variable), "the variable").subarray(ATTRIBUTES_BYTES);
  };
  return Object.fromEntries(VARIABLE_NAMES.map((name) => [name, variable(name)]));
}

/** What systemd-stub would find (systemd-stub(7), "Companion Files"). */
function readCompanions(image: string, { extra, esp, loadOptions }: PredictionFlags): Companions {
  const beside = `${image}.extra.d`;
  const folder = extra ?? (existsSync(beside) ? beside : undefined);
  const loader = esp === undefined ? undefined : join(esp, "loader");
  const within = (name: string): string | undefined => loader && join(loader, name);
  const isConfiguration = ({ name }: StubFile): boolean => name.endsWith(".confext.raw");
  const extensions = filesIn(folder, ".raw");
  return {
    loadOptions,
    addonCommandLines: [...filesIn(within("addons"), ".addon.efi"), ...filesIn(folder, ".addon.efi")].flatMap(
      ({ content }) => sectionText(content, readPe(new MemorySource(content)), ".cmdline") ?? [],
    ),
    credentials: filesIn(folder, ".cred"),
    globalCredentials: filesIn(within("credentials"), ".cred"),
    systemExtensions: extensions.filter((file) => !isConfiguration(file)),
    configurationExtensions: extensions.filter(isConfiguration),
  };
}

/** Files with this ending, by name; none where there is no such folder. */
function filesIn(folder: string | undefined, ending: string): StubFile[] {
  if (folder === undefined || !existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => ({ name, content: readInput(join(folder, name), "the file") }));
}

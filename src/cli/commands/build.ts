import { Command, Option } from "commander";
import {
  type BuildConfig,
  type BuildInputs,
  type BuildResult,
  buildWithThreads,
  GENERATION_FILES,
  type InputFile,
  LOCAL_FILES,
  OPTIONAL_FILES,
  OWN_NAMES,
  readGeneration,
  type Workforce,
  withThreads,
} from "../../build/index.ts";
import {
  FileSource,
  inFile,
  nextTurn,
  OutputFolder,
  onInterrupt,
  packageFile,
  packageVersion,
  readInput,
} from "../../host/index.ts";
import { parseKernelImage } from "../../kernel/index.ts";
import { type Signer, signProgram, signRootHash } from "../../keys/index.ts";
import { driverPurposes, layoutOf } from "../../plan/index.ts";
import { formatSize } from "../../text/index.ts";
import { summaryOfTransformation } from "../../transform/index.ts";
import { moduleTrees, readConfig, selectDrivers } from "../build-inputs.ts";
import { type ImageFlags, openImageInputs, withImageFlags } from "../image-inputs.ts";
import { startProgress } from "../progress.ts";
import { addSigningOptions, readSigner, type SigningFlags } from "../signing.ts";
import { printJson, printResult, printWarnings } from "../terminal.ts";
import { type ContentFlags, openArchive } from "../tree-input.ts";
import { readUkiInputs, type UkiFlags } from "../uki-inputs.ts";

/** What an option that is about it implies. */
const UKI = { uki: true };

interface BuildFlags extends UkiFlags, SigningFlags, ImageFlags, ContentFlags {
  readonly kernel: string;
  readonly modules?: string;
  readonly config?: string;
  readonly drivers?: string;
  readonly profile?: string;
  readonly output: string;
  readonly json: boolean;
  readonly quiet: boolean;
}

export function buildCommand(): Command {
  const command = new Command("build")
    .summary("turn an initrd into a first stage and a verified image")
    .description(
      "Reads a kernel and the initrd it boots with, and writes a generation: the small first stage, the image with " +
        "everything else (EROFS on dm-verity), the plan that connects them, and a manifest. Needs no root.",
    )
    .requiredOption("-k, --kernel <file>", "the kernel, as installed in /boot")
    .option("-i, --initrd <file>", "the initrd to split; it is only read")
    .option("-t, --tree <path>", "instead: a folder, image or archive with an operating system (layouts system, usr)")
    .option("-m, --modules <folder>", "the kernel's modules (default: /lib/modules/RELEASE, then the initrd's own)")
    .option("-c, --config <file>", "settings (default: ./lazyrd.toml where there is one)")
    .option("-d, --drivers <set>", "storage drivers: generic, virtio, host, or names separated by commas")
    .option("-p, --profile <file>", "what a boot read: the image is laid out for it")
    .addOption(
      new Option("--drop <pattern>", "leave out what the pattern means: usr/share/doc/**; may be repeated").argParser(
        (pattern: string, others: string[] = []) => [...others, pattern],
      ),
    )
    .option("--against <tree>", "leave out what is the same there: an image to be laid over that folder or image")
    .requiredOption("-o, --output <folder>", "where the generation goes; replaces one that lazyrd wrote")
    .addOption(new Option("--uki", "make a unified kernel image, lazyrd.efi, too").default(false))
    .addOption(new Option("--stub <file>", "for --uki: systemd-stub (default: where systemd installs it)").implies(UKI))
    .addOption(new Option("--os-release <file>", "for --uki: names it in menus (default: the initrd's)").implies(UKI))
    .addOption(new Option("--pcr-key <file>", "for --uki: sign PCR policies with this private key (PEM)").implies(UKI))
    .addOption(
      new Option("--pcr-signer <command>", "for --uki: sign PCR policies with a program")
        .implies(UKI)
        .conflicts("pcrKey"),
    )
    .addOption(new Option("--pcr-public-key <file>", "for --uki: the public key of PCR policies (PEM)").implies(UKI));
  return addSigningOptions(command, "for --uki: ", UKI)
    .addOption(new Option("--json", "print the manifest as JSON").default(false))
    .addOption(new Option("-q, --quiet", "no progress").default(false))
    .action(run);
}

/** Threads take a while to start: meanwhile the inputs are opened. */
function run(flags: BuildFlags): Promise<void> {
  return withThreads((threads) => buildWith(threads, flags));
}

async function buildWith(threads: Workforce, flags: BuildFlags): Promise<void> {
  const config = withImageFlags(readConfig(flags.config), flags);
  const kernel = { path: flags.kernel, bytes: readInput(flags.kernel, "the kernel") };
  const { release } = await inFile(flags.kernel, () => parseKernelImage(kernel.bytes));
  const initrd = await openArchive(flags);
  const imageInputs = await openImageInputs(config.image);
  const signer = readSigner(flags);
  const usrPath = config.location.usr;
  const usr = usrPath === "" ? undefined : { path: usrPath, source: new FileSource(usrPath, "the image with /usr") };
  const inputs = {
    kernel,
    initrd,
    modules: moduleTrees(flags.modules, release),
    acceptInitrdModules: flags.modules === undefined,
    firstStageProgram: (_: string, hasNetwork: boolean) =>
      readInput(packageFile(`dist/first-stage/${hasNetwork ? "init-network" : "init"}-x86_64`), "the first stage"),
    drivers: selectDrivers(
      flags.drivers ?? config["first-stage"].drivers,
      driverPurposes(layoutOf(config.layout, config.location)),
    ),
    config,
    previous: config.location.previous.map(readGeneration),
    usr,
    imageInputs: imageInputs.inputs,
    profile: readNamed(flags.profile ?? config.image.profile, "the profile"),
    shell: readNamed(config["first-stage"].shell, "the shell"),
    moduleSigner: config.modules.signatures === "resign" ? readModuleSigner(config.modules, signer) : undefined,
    signRootHash: signRootHashWith(config["image-signature"]),
    uki: flags.uki ? { ...readUkiInputs(flags, config.uki), sign: signer && signWith(signer) } : undefined,
    generator: `lazyrd ${packageVersion()}`,
  };
  const output = new OutputFolder(flags.output, OWN_NAMES);
  const interruptible = onInterrupt(() => output.discard());
  const progress = startProgress(flags);
  try {
    const result = await buildWithThreads(threads, inputs, output, progress.listener);
    // For `lazyrd boot --classic` only; no part of the generation.
    initrd.link(output);
    if (usr !== undefined) output.link(LOCAL_FILES.usr, usr.path);
    // The last moment to notice that somebody wants this to end.
    await nextTurn();
    output.commit();
    progress.end();
    printWarnings([...initrd.warnings, ...imageInputs.warnings, ...result.warnings]);
    if (flags.json) printJson(result.manifest);
    else printResult(summary(flags.output, initrd.source.size, result));
  } catch (error) {
    output.discard();
    throw error;
  } finally {
    progress.end();
    imageInputs.close();
    initrd.source.close();
    usr?.source.close();
    interruptible();
  }
}

function signRootHashWith(settings: SignerSettings): BuildInputs["signRootHash"] {
  const found = readConfiguredSigner(settings, "image-signature");
  return found && ((rootHash) => signRootHash(rootHash, found));
}

/** Without one of their own, modules get the signer of the unified kernel image: its certificate is in db. */
function readModuleSigner(settings: SignerSettings, ofUki: Signer | undefined): Signer | undefined {
  return readConfiguredSigner(settings, "modules") ?? ofUki;
}

type SignerSettings = Pick<BuildConfig["image-signature"], "key" | "signer" | "certificate">;

function readConfiguredSigner({ key, signer, certificate }: SignerSettings, table: string): Signer | undefined {
  const names = { key: key || undefined, signer: signer || undefined, certificate: certificate || undefined };
  return readSigner(names, `set key or signer, and certificate, in [${table}]`);
}

function signWith(signer: Signer): (program: Uint8Array) => Uint8Array {
  return (program) => signProgram(program, signer);
}

function readNamed(path: string, what: string): InputFile | undefined {
  return path === "" ? undefined : { path, bytes: readInput(path, what) };
}

function summary(folder: string, initrdBytes: number, { manifest }: BuildResult): string {
  const uki = manifest.files[OPTIONAL_FILES.uki];
  const initrd = manifest.files[OPTIONAL_FILES.initrd];
  const size = (name: string): string => formatSize(manifest.files[name]?.sizeBytes ?? 0);
  return [
    `${folder}: kernel ${manifest.kernel.release}, initrd of ${formatSize(initrdBytes)} split into`,
    `  ${GENERATION_FILES.firstStage}  ${size(GENERATION_FILES.firstStage)}, ${manifest.explanation.modules.length} modules`,
    `  ${GENERATION_FILES.image}         ${size(GENERATION_FILES.image)}, root hash ${manifest.image.rootHash}`,
    ...(initrd === undefined ? [] : [`  ${OPTIONAL_FILES.initrd}       ${formatSize(initrd.sizeBytes)}, both in one`]),
    ...(manifest.explanation.image ?? []).map((change) => `    ${summaryOfTransformation(change)}`),
    ...(uki === undefined ? [] : [`  ${OPTIONAL_FILES.uki}        ${formatSize(uki.sizeBytes)}, unified kernel image`]),
    `next: lazyrd boot ${folder}, lazyrd explain ${folder}`,
  ].join("\n");
}

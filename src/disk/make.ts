import { createHash } from "node:crypto";
import { join } from "node:path";
import { type Generation, loadedFile, type ProgressListener } from "../build/index.ts";
import { type ByteSource, chunksOf, type PositionedSink, toHex, UsageError } from "../bytes/index.ts";
import { isPe, readPe, sectionNamed } from "../formats/pe/index.ts";
import { FileSource, type OutputFile } from "../host/index.ts";
import type { Boot } from "./esp.ts";
import { type DiskPlan, planDisk, writeDisk } from "./plan.ts";
import { openRoot } from "./root.ts";

/** What a person wants on a disk. Sizes in bytes. */
export interface DiskInputs {
  readonly generation: Generation;
  /** The file of a unified kernel image; without it, kernel and first stage are started by the loader. */
  readonly uki: string | undefined;
  /** The file of systemd-boot; without it, the firmware starts the unified kernel image. */
  readonly loader: string | undefined;
  /** A file system's image or a folder. */
  readonly root: string | undefined;
  /** More for the kernel's command line. */
  readonly append: string;
  readonly espBytes: number;
  readonly diskBytes: number | undefined;
}

/** A disk that was written. */
export interface MadeDisk {
  readonly plan: DiskPlan;
  /** Undefined where it is a part of the unified kernel image. */
  readonly commandLine: string | undefined;
  readonly warnings: readonly string[];
}

/** How the Boot Loader Specification calls the only architecture there is a first stage for. */
const EFI_ARCHITECTURE = "x64";
/** Digits of the root hash in names: enough to tell generations apart. */
const ID_DIGITS = 16;
/** As much as tells an EFI program: its DOS header, and where the real one begins. */
const PE_HEAD_BYTES = 4096;
/** By which systemd-boot tells a unified kernel image from other EFI programs. */
const OS_RELEASE_SECTION = ".osrel";

/** Carries it out: reads the inputs, writes the disk. */
export async function makeDisk(inputs: DiskInputs, output: OutputFile, progress: ProgressListener): Promise<MadeDisk> {
  const opened: { close(): void }[] = [];
  const open = (path: string, what: string): FileSource => {
    const source = new FileSource(path, what);
    opened.push(source);
    return source;
  };
  try {
    await progress("reading what goes onto the disk");
    const root = inputs.root === undefined ? undefined : openRoot(inputs.root);
    if (root !== undefined) opened.push(root);
    const image = open(inputs.generation.path("image"), "the image");
    const commandLine = commandLineOf(inputs, root?.fileSystem.partitionGuid);
    const boot = openBoot(inputs, commandLine, open);
    const seed = digestOf(boot, inputs, root?.digest);
    const { espBytes, diskBytes } = inputs;
    const plan = planDisk({
      seed,
      boot,
      image,
      place: inputs.generation.manifest.place,
      root: root?.fileSystem,
      espBytes,
      diskBytes,
    });
    output.requireSpace(plan.usedBytes);
    const writing = "writing the disk";
    await progress(writing);
    output.writeSparse(plan.sizeBytes, (file) => writeDisk(plan, watched(file, plan.sizeBytes, writing, progress)));
    const isEmbedded = boot.kind !== "loader-entry";
    return {
      plan,
      commandLine: isEmbedded ? undefined : commandLine,
      warnings: [...(root?.warnings ?? []), ...unusedRoot(inputs, isEmbedded, root?.fileSystem.partitionGuid)],
    };
  } finally {
    for (const source of opened) source.close();
  }
}

/** @throws UsageError when an EFI program that is needed is none. */
function openBoot(
  { generation, uki, loader }: DiskInputs,
  commandLine: string,
  open: (path: string, what: string) => FileSource,
): Boot {
  const program = (path: string, what: string): FileSource => {
    const source = open(path, what);
    if (isPe(source.read(0, Math.min(source.size, PE_HEAD_BYTES)))) return source;
    throw new UsageError(`Cannot use ${path} as ${what}: it is no EFI program`);
  };
  const { manifest } = generation;
  const id = `lazyrd-${manifest.image.rootHash.slice(0, ID_DIGITS)}`;
  if (uki !== undefined) {
    const image = program(uki, "the unified kernel image");
    if (loader === undefined) return { kind: "uki", uki: image };
    if (sectionNamed(readPe(image), OS_RELEASE_SECTION) === undefined) {
      throw new UsageError(
        `Cannot boot ${uki} from a menu: it has no section ${OS_RELEASE_SECTION}, so systemd-boot does not show it`,
        {
          hint: "make it with --os-release FILE, or leave out --loader",
        },
      );
    }
    return { kind: "loader-uki", id, loader: program(loader, "the loader"), uki: image };
  }
  if (loader === undefined) {
    throw new UsageError("Cannot make a disk that boots: there is neither a unified kernel image nor a loader", {
      hint: "give systemd-boot with --loader (Debian: apt install systemd-boot-efi), or a unified kernel image with --uki",
    });
  }
  const { release } = manifest.kernel;
  return {
    kind: "loader-entry",
    id,
    loader: program(loader, "the loader"),
    kernel: open(generation.path("kernel"), "the kernel"),
    firstStage: open(join(generation.folder, loadedFile(generation.manifest)), "the first stage"),
    entry: {
      title: `Linux ${release} (lazyrd)`,
      version: release,
      architecture: EFI_ARCHITECTURE,
      options: commandLine,
    },
  };
}

function commandLineOf({ generation, append }: DiskInputs, rootGuid: string | undefined): string {
  const given = [generation.manifest.commandLine, append].filter((part) => part !== "").join(" ");
  const hasRoot = /(?:^|\s)root=/.test(given);
  if (rootGuid === undefined || hasRoot) return given;
  return `${given} root=PARTUUID=${rootGuid}`.trimStart();
}

/** Nobody but the command line says which root file system it is. */
function unusedRoot({ append }: DiskInputs, isEmbedded: boolean, rootGuid: string | undefined): string[] {
  if (!isEmbedded) return [];
  const root =
    rootGuid === undefined
      ? []
      : [
          `the command line is a part of the unified kernel image: there, root=PARTUUID=${rootGuid} names the root partition`,
        ];
  return append === ""
    ? root
    : [...root, "the command line is a part of the unified kernel image: --append has no effect"];
}

/** Of everything that makes up the disk. What the generation holds, its manifest has the digests of. */
function digestOf(
  boot: Boot,
  { generation, espBytes, diskBytes }: DiskInputs,
  root: Uint8Array | undefined,
): Uint8Array {
  const files = Object.entries(generation.manifest.files).map(([name, { sha256 }]) => [name, sha256]);
  const programs = [
    "loader" in boot ? fileDigest(boot.loader) : "",
    "uki" in boot ? fileDigest(boot.uki) : "",
    "entry" in boot ? boot.entry : "",
  ];
  const facts = [boot.kind, files, programs, espBytes, diskBytes ?? 0, root === undefined ? "" : toHex(root)];
  return createHash("sha256").update(JSON.stringify(facts), "utf8").digest();
}

function fileDigest(source: ByteSource): string {
  const hash = createHash("sha256");
  for (const chunk of chunksOf(source)) hash.update(chunk);
  return hash.digest("hex");
}

/** Passes everything on and says how far it is. */
function watched(
  output: PositionedSink,
  totalBytes: number,
  stage: string,
  progress: ProgressListener,
): PositionedSink {
  return {
    writeAt(offset, bytes) {
      output.writeAt(offset, bytes);
      progress(stage, { doneBytes: offset, totalBytes });
    },
  };
}

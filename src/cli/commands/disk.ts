import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { type Generation, OPTIONAL_FILES, readGeneration } from "../../build/index.ts";
import { type MadeDisk, makeDisk } from "../../disk/index.ts";
import { partitionTypeName } from "../../formats/gpt/index.ts";
import { convertToQcow2, nextTurn, OutputFile, onInterrupt, requireQemuImg } from "../../host/index.ts";
import { alignedLines, formatSize, parseSize } from "../../text/index.ts";
import { startProgress } from "../progress.ts";
import { printJson, printResult, printWarnings } from "../terminal.ts";

interface DiskFlags {
  readonly output: string;
  readonly size?: number;
  readonly espSize: number;
  readonly root?: string;
  readonly loader?: string;
  readonly uki?: string;
  readonly append: string;
  readonly qcow2: boolean;
  readonly force: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
}

/** Where Debian, Fedora and Arch put systemd-boot. */
const INSTALLED_LOADER = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
const MIB = 1 << 20;

const EXAMPLES = `
Examples:
  lazyrd disk generation -o disk.raw
  lazyrd disk generation -o disk.raw --size 4GiB --root root.ext4 --append console=ttyS0
  lazyrd disk generation -o disk.qcow2 --qcow2 --uki lazyrd.efi`;

export function diskCommand(): Command {
  return new Command("disk")
    .summary("write a disk image that boots a generation")
    .description(
      "Writes a whole disk: a GPT with an EFI system partition, the generation's image and, if given, a root file " +
        "system. It boots on any UEFI machine, with the generation's unified kernel image, or else with systemd-boot. " +
        "Needs no root and no loop devices; zeroes take no room in the file.",
    )
    .argument("<generation>", "the folder that lazyrd build wrote")
    .requiredOption("-o, --output <file>", "where the disk goes")
    .option("--size <size>", "of the disk, such as 4GiB; what is left is free (default: just enough)", size)
    .addOption(
      new Option("--esp-size <size>", "of the EFI system partition").argParser(size).default(512 * MIB, "512MiB"),
    )
    .option("--root <path>", "root file system: its image, or a folder (which becomes EROFS)")
    .option(
      "--loader <file>",
      "systemd-boot, when it is to show a menu (default: the installed one, without a unified kernel image)",
    )
    .option("--uki <file>", "a unified kernel image (default: the generation's, where it has one)")
    .option("--append <text>", "more for the kernel's command line", "")
    .addOption(new Option("--qcow2", "write a qcow2 image instead of a raw one (takes qemu-img)").default(false))
    .addOption(new Option("--force", "replace a file that is there").default(false))
    .addOption(new Option("--json", "print what stands where as JSON").default(false))
    .addOption(new Option("-q, --quiet", "no progress").default(false))
    .addHelpText("after", EXAMPLES)
    .action(run);
}

async function run(folder: string, flags: DiskFlags): Promise<void> {
  const generation = readGeneration(folder);
  if (flags.qcow2) requireQemuImg();
  const uki = flags.uki ?? ownUki(generation);
  const inputs = {
    generation,
    uki,
    loader: flags.loader ?? (uki === undefined && existsSync(INSTALLED_LOADER) ? INSTALLED_LOADER : undefined),
    root: flags.root,
    append: flags.append,
    espBytes: flags.espSize,
    diskBytes: flags.size,
  };
  const output = new OutputFile(flags.output, flags);
  const interruptible = onInterrupt(() => output.discard());
  const progress = startProgress(flags);
  try {
    const made = await makeDisk(inputs, output, progress.listener);
    if (flags.qcow2) {
      await progress.listener("making a qcow2 image of it");
      convertToQcow2(output.temporary);
    }
    // The last moment to notice that somebody wants this to end.
    await nextTurn();
    output.commit();
    progress.end();
    printWarnings(made.warnings);
    if (flags.json) printJson(facts(made));
    else printResult(summary(flags.output, made));
  } catch (error) {
    output.discard();
    throw error;
  } finally {
    progress.end();
    interruptible();
  }
}

function ownUki(generation: Generation): string | undefined {
  const isThere = generation.manifest.files[OPTIONAL_FILES.uki] !== undefined;
  return isThere ? join(generation.folder, OPTIONAL_FILES.uki) : undefined;
}

function facts({ plan, commandLine }: MadeDisk): object {
  return {
    sizeBytes: plan.sizeBytes,
    diskGuid: plan.gpt.diskGuid,
    esp: { type: `FAT${plan.esp.type}`, clusterBytes: plan.esp.clusterBytes, freeBytes: plan.esp.freeBytes },
    commandLine: commandLine ?? null,
    partitions: plan.gpt.partitions.map(({ name, typeGuid, partitionGuid, offsetBytes, sizeBytes }, index) => ({
      number: index + 1,
      name,
      type: partitionTypeName(typeGuid) ?? null,
      guid: partitionGuid,
      offsetBytes,
      sizeBytes,
    })),
  };
}

function summary(path: string, { plan }: MadeDisk): string {
  const rows = plan.gpt.partitions.map(({ name, typeGuid, partitionGuid, sizeBytes }, index) => [
    String(index + 1),
    formatSize(sizeBytes),
    name,
    partitionTypeName(typeGuid) ?? typeGuid,
    partitionGuid,
  ]);
  return [
    `${path}: a disk of ${formatSize(plan.sizeBytes)}`,
    ...alignedLines([["partition", "size", "name", "type", "guid"], ...rows], [0, 1]),
  ].join("\n");
}

function size(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined) throw new InvalidArgumentError("Expected a size: 512MiB, 4G.");
  return bytes;
}

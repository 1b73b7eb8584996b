import { existsSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type Generation, LOCAL_FILES, loadedFile } from "../build/index.ts";
import { UsageError } from "../bytes/index.ts";
import { DISK_BUSES, type DiskBus, type Machine, withImageInMemory } from "../vm/index.ts";

/** What a person says of a machine. */
export interface HardwareFlags {
  readonly memory: number;
  readonly cpus: number;
  readonly cpu: string;
  readonly disk: DiskBus;
  readonly append: string;
}

/** What a person says of the machine that a generation is booted in. */
export interface MachineFlags extends HardwareFlags {
  readonly classic: boolean;
  readonly until?: RegExp;
  readonly timeout: number;
}

/** The console, all of the kernel's messages on it, and an end instead of a halt when the kernel panics. */
const CONSOLE_ARGUMENTS = "console=ttyS0 loglevel=7 printk.time=1";

/** The options that say which machine to boot, and how far. */
export function addMachineOptions(command: Command): Command {
  command.addOption(
    new Option("--classic", "boot the initrd that was split, as it was, for comparison").default(false),
  );
  return addHardwareOptions(command)
    .option("--until <pattern>", "go on until a console line matches this regular expression", pattern)
    .option("--timeout <seconds>", "give up after this time", positiveInteger, 300);
}

/** The options that say what a machine is like. */
export function addHardwareOptions(command: Command): Command {
  return command
    .option("--memory <MiB>", "the machine's memory", positiveInteger, 2048)
    .option("--cpus <number>", "the machine's processors", positiveInteger, 1)
    .option("--cpu <model>", "the processor, as QEMU names it", "max")
    .addOption(new Option("--disk <bus>", "how the image's disk is attached").choices(DISK_BUSES).default("virtio-blk"))
    .option("--append <text>", "more for the kernel's command line", "");
}

/**
 * The machine that boots a generation.
 * @param disk with the image where the layout looks for it; default: the image itself
 * @throws UsageError when it is to boot the classic way and cannot.
 */
export function machineOf(
  generation: Generation,
  flags: HardwareFlags & Pick<MachineFlags, "classic">,
  { countInstructions, disk }: { readonly countInstructions: boolean; readonly disk?: string },
): Machine {
  const files = {
    kernel: generation.path("kernel"),
    initrd: flags.classic ? classicInitrd(generation) : join(generation.folder, loadedFile(generation.manifest)),
    image: disk ?? generation.path("image"),
    commandLine: generation.manifest.commandLine,
  };
  const machine = { ...machineWith(files, flags), countInstructions };
  return generation.manifest.place.kind === "memory" && !flags.classic
    ? withImageInMemory(machine, files.image)
    : machine;
}

/** What a machine boots: files, and what its kernel is told besides what `--append` says. */
export interface BootFiles {
  readonly kernel: string;
  readonly initrd: string;
  /** Its disk, which is only read. */
  readonly image: string;
  readonly commandLine: string;
}

export function machineWith({ kernel, initrd, image, commandLine }: BootFiles, flags: HardwareFlags): Machine {
  return {
    kernel,
    initrd,
    commandLine: commandLineWith(commandLine, flags),
    disks: [{ path: image, bus: flags.disk, readOnly: true }],
    memoryMib: flags.memory,
    cpus: flags.cpus,
    cpuModel: flags.cpu,
    countInstructions: false,
    serialFiles: [],
  };
}

/** What a kernel is told: its console, what it would be told anyway, and what `--append` says. */
export function commandLineWith(commandLine: string, { append }: Pick<HardwareFlags, "append">): string {
  return [CONSOLE_ARGUMENTS, commandLine, append].filter((part) => part !== "").join(" ");
}

function classicInitrd(generation: Generation): string {
  const link = join(generation.folder, LOCAL_FILES.classicInitrd);
  if (existsSync(link)) return realpathSync(link);
  throw new UsageError("Cannot boot the classic way: the initrd that was split is not where it was", {
    hint: "run lazyrd build again",
  });
}

export function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("Expected a whole number above 0.");
  return Number(text);
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new InvalidArgumentError(cause.message);
  }
}

import { createHash } from "node:crypto";
import { copyFileSync } from "node:fs";
import type { BuildConfig } from "../../build/index.ts";
import { MemorySource, UsageError } from "../../bytes/index.ts";
import { planDisk, writeDisk } from "../../disk/index.ts";
import { readInitramfs, treeOfInitramfs } from "../../formats/cpio/index.ts";
import { FileSource, inFile, OutputFile, readInput } from "../../host/index.ts";
import { assembleUki, findOsRelease } from "../../uki/index.ts";
import { type FirmwareMachine, findOvmf, type Machine } from "../../vm/index.ts";
import type { BootFiles } from "../machine.ts";
import { readUkiInputs } from "../uki-inputs.ts";

export interface UnifiedParts extends Omit<BootFiles, "image"> {
  readonly kernelRelease: string | undefined;
  /** Goes onto the same disk; without it, everything is in the unified kernel image. */
  readonly image: string | undefined;
  readonly uki: BuildConfig["uki"];
}

/** Of the EFI system partition, besides its one file: room for FAT's own, and enough for FAT32. */
const ESP_SPARE_BYTES = 64 << 20;
/** A unified kernel image names what it boots; no initrd is a system of its own. */
const OS_RELEASE = Buffer.from("ID=lazyrd-bench\nPRETTY_NAME=lazyrd bench\n");

/** Writes a disk whose firmware program is kernel, initrd and command line in one; returns that program's size. */
export async function writeUnifiedDisk(
  { kernel, initrd, image, commandLine, kernelRelease, uki }: UnifiedParts,
  path: string,
): Promise<{ readonly unifiedBytes: number }> {
  const { stub } = readUkiInputs({ uki: true }, { ...uki, profiles: [] });
  const bytes = readInput(initrd, "the initrd");
  const { tree } = treeOfInitramfs(await inFile(initrd, () => readInitramfs(bytes)), { includeEarly: false });
  const sections = {
    osRelease: findOsRelease(tree) ?? OS_RELEASE,
    commandLine,
    kernelRelease,
    kernel: readInput(kernel, "the kernel"),
    initrd: bytes,
  };
  const program = await inFile(stub.path, () => assembleUki({ stub: stub.bytes, sections }));
  const imageSource = image === undefined ? undefined : new FileSource(image, "the image");
  try {
    const plan = planDisk({
      seed: createHash("sha256").update(program).digest(),
      boot: { kind: "uki", uki: new MemorySource(program) },
      image: imageSource,
      espBytes: program.length + ESP_SPARE_BYTES,
    });
    const output = new OutputFile(path, { force: false });
    output.requireSpace(plan.usedBytes);
    output.writeSparse(plan.sizeBytes, (sink) => writeDisk(plan, sink));
    output.commit();
  } finally {
    imageSource?.close();
  }
  return { unifiedBytes: program.length };
}

/** The machine whose first disk firmware starts. */
export function firmwareMachine(machine: Machine, disk: string, variables: string): FirmwareMachine {
  const { kernel: _kernel, initrd: _initrd, commandLine: _commandLine, disks, ...hardware } = machine;
  const [first, ...others] = disks;
  if (first === undefined) throw new UsageError("Cannot start a machine from firmware: it has no disk");
  return { ...hardware, firmware: { code: findOvmf().code, variables }, disks: [{ ...first, path: disk }, ...others] };
}

/** Makes firmware's variables those of a machine that was never started: what one boot leaves there changes the next. */
export function forgetVariables(machine: Machine | FirmwareMachine): void {
  if ("firmware" in machine) copyFileSync(findOvmf().variables, machine.firmware.variables);
}

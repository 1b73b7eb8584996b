import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { onTestFailed } from "vitest";
import { alignUp } from "../../src/bytes/index.ts";
import { enrollInStore } from "../../src/formats/efi-variables/index.ts";
import { createKeys, keySigner, type Signer } from "../../src/keys/index.ts";
import type { Tree } from "../../src/tree/index.ts";
import { type Disk, findOvmf, type RunEnd, runMachine } from "../../src/vm/index.ts";
import { encodeArchive } from "./build-inputs.ts";
import { startTpm } from "./swtpm.ts";
import { tempFolder } from "./temp.ts";
import { parseReport, type Report } from "./vm-probe.ts";

export const STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
export const BOOT_LOADER = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";

/** Where firmware looks when nobody told it anything (UEFI 2.10, 3.5.1.1). */
export const DEFAULT_PROGRAM = "EFI/BOOT/BOOTX64.EFI";

/** All files of a set of keys, by name. */
export type KeySet = ReadonlyMap<string, Uint8Array>;

/** New keys, valid from now on. */
export function newKeys(): KeySet {
  return new Map(createKeys({ bits: 2048, now: new Date(), validDays: 1 }).map(({ name, content }) => [name, content]));
}

export function keyFile(keys: KeySet, name: string): Uint8Array {
  const content = keys.get(name);
  if (content === undefined) throw new Error(`There is no ${name} among the keys`);
  return content;
}

export function signerOf(keys: KeySet, name: string): Signer {
  return keySigner({ key: keyFile(keys, `${name}.key`) }, keyFile(keys, `${name}.crt`), new Date());
}

/** How a machine with firmware is set up. */
export interface FirmwareStory {
  /** By path, what the EFI system partition holds. */
  readonly esp: Readonly<Record<string, Uint8Array>>;
  readonly disks: readonly Disk[];
  /** The file of the firmware's variables, changed by the boot. */
  readonly variables: string;
  /** Where the machine's TPM keeps its state, for machines that have one. */
  readonly tpm?: string;
  /** Default: all that QEMU can emulate. */
  readonly cpuModel?: string;
  readonly timeoutSeconds?: number;
  /** Ends the machine when a console line matches. */
  readonly until?: RegExp;
}

export interface FirmwareEnding {
  readonly end: RunEnd;
  readonly report: Report | undefined;
  readonly console: readonly string[];
}

const TIMEOUT_SECONDS = 300;
const EVIDENCE_LINES = 60;

/** A store of variables; with keys, in the state in which a machine with Secure Boot has them. */
export function firmwareVariables(keys?: KeySet): string {
  const path = join(tempFolder(), "variables.fd");
  copyFileSync(findOvmf().variables, path);
  if (keys !== undefined) {
    const lists = { PK: keyFile(keys, "PK.esl"), KEK: keyFile(keys, "KEK.esl"), db: keyFile(keys, "db.esl") };
    writeFileSync(path, enrollInStore(readFileSync(path), lists, new Date()));
  }
  return path;
}

/** Boots a machine by its firmware until its end. */
export async function bootFirmware({
  esp,
  disks,
  variables,
  tpm,
  until,
  ...more
}: FirmwareStory): Promise<FirmwareEnding> {
  const folder = tempFolder();
  const serial = join(folder, "report");
  const espFolder = join(folder, "esp");
  for (const [path, content] of Object.entries(esp)) {
    mkdirSync(dirname(join(espFolder, path)), { recursive: true });
    writeFileSync(join(espFolder, path), content);
  }
  const console: string[] = [];
  onTestFailed(() => globalThis.console.error(console.slice(-EVIDENCE_LINES).join("\n")));
  const { end } = await runMachine(
    {
      firmware: { code: findOvmf().code, variables },
      // QEMU makes a FAT file system of a folder.
      disks: [{ path: `fat:${espFolder}`, bus: "virtio-blk", readOnly: true }, ...disks],
      memoryMib: 1024,
      cpus: 1,
      cpuModel: more.cpuModel ?? "max",
      countInstructions: false,
      serialFiles: [serial],
      tpmSocket: tpm === undefined ? undefined : await startTpm(tpm),
    },
    {
      until: ({ text }) => until?.test(text) ?? false,
      timeoutSeconds: more.timeoutSeconds ?? TIMEOUT_SECONDS,
      onLine: ({ text }) => console.push(text),
    },
  );
  return { end, report: parseReport(readFileSync(serial, "latin1")), console };
}

/** The kernel looks for another archive at multiples of this only. */
const ARCHIVE_ALIGNMENT = 4;

/** An initrd with one more archive behind it. */
export function withArchive(initrd: Uint8Array, tree: Tree): Uint8Array {
  const padding = new Uint8Array(alignUp(initrd.length, ARCHIVE_ALIGNMENT) - initrd.length);
  return Buffer.concat([initrd, padding, encodeArchive(tree)]);
}

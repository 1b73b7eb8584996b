import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFailed } from "vitest";
import { type Generation, loadedFile } from "../../src/build/index.ts";
import { MemorySink } from "../../src/bytes/index.ts";
import { encodeCpio } from "../../src/formats/cpio/index.ts";
import type { Tree } from "../../src/tree/index.ts";
import {
  type ConsoleAnswer,
  type Disk,
  type Machine,
  type MemoryDevice,
  Monitor,
  type RunEnd,
  runMachine,
  withImageInMemory,
  withMemoryDevice,
} from "../../src/vm/index.ts";
import { tempFolder } from "./temp.ts";
import { imageDisk } from "./vm-disks.ts";
import { parseReport, type Report } from "./vm-probe.ts";

/** What of a boot a story changes. */
export interface Story {
  /** Laid over the next stage's files: a cpio archive behind the first stage's. */
  readonly append?: Tree;
  /** Instead of the first stage of the generation. */
  readonly initrd?: Uint8Array;
  /** Instead of the generation's image on virtio. */
  readonly disks?: readonly Disk[];
  /** The image is in memory that is a disk, and there are no others: a part of ordinary memory, or a device of its own. */
  readonly imageInMemory?: "ordinary" | MemoryDevice;
  /** More of the kernel's command line; the console comes first. */
  readonly commandLine?: string;
  readonly memoryMib?: number;
  readonly network?: Machine["network"];
  readonly cpuModel?: string;
  /** What somebody types at the console. */
  readonly answers?: readonly ConsoleAnswer[];
  /** Ends the machine when a console line matches: for those that would not end by themselves. */
  readonly until?: RegExp;
  readonly timeoutSeconds?: number;
  /** Carried out while the machine runs. */
  readonly meanwhile?: (monitor: Monitor, console: readonly string[]) => Promise<void>;
}

/** How a story ended. */
export interface Ending {
  readonly end: RunEnd;
  /** Why QEMU says that it ended: "guest-shutdown" (power-off), "guest-reset" (reboot). */
  readonly reason: unknown;
  /** What the probe in the next stage said over its own channel; undefined when it was not reached. */
  readonly report: Report | undefined;
  readonly console: readonly string[];
}

/**
 * More than a third of what it takes an emulated machine to come to the next stage are the kernel's own tests of its
 * ciphers and hashes, which no story is about.
 */
export const QUICK_BOOT = "cryptomgr.notests";
/** All of the kernel's messages: the evidence, should a story end otherwise than it should. */
const CONSOLE = `console=ttyS0 loglevel=7 printk.time=1 ${QUICK_BOOT}`;
const TIMEOUT_SECONDS = 180;
/** Of the console of a story that failed. */
const EVIDENCE_LINES = 40;

/** Boots a generation until its end. */
export async function boot(generation: Generation, story: Story = {}): Promise<Ending> {
  const folder = tempFolder();
  const serial = join(folder, "report");
  const initrd = join(folder, "initrd");
  writeFileSync(initrd, initrdOf(generation, story));
  const asked: Machine = {
    kernel: generation.path("kernel"),
    initrd,
    commandLine: [CONSOLE, generation.manifest.commandLine, story.commandLine ?? ""]
      .filter((part) => part !== "")
      .join(" "),
    disks: story.disks ?? [imageDisk(generation)],
    memoryMib: story.memoryMib ?? 1024,
    cpus: 1,
    cpuModel: story.cpuModel ?? "max",
    countInstructions: false,
    network: story.network,
    serialFiles: [serial],
    monitorSocket: join(folder, "monitor"),
  };
  const machine = withMemory(asked, generation.path("image"), story.imageInMemory);
  const lines: string[] = [];
  onTestFailed(() => console.error(lines.slice(-EVIDENCE_LINES).join("\n")));
  let ended = false;
  const running = runMachine(machine, {
    until: ({ text }) => story.until?.test(text) ?? false,
    timeoutSeconds: story.timeoutSeconds ?? TIMEOUT_SECONDS,
    onLine: ({ text }) => lines.push(text),
    answers: story.answers,
  }).finally(() => {
    ended = true;
  });
  const [{ end }, monitor] = await Promise.all([running, accompany(machine, story, lines, () => ended)]);
  await monitor?.closed();
  return {
    end,
    reason: monitor?.reasonOfEnd(),
    report: parseReport(readFileSync(serial, "latin1")),
    console: lines,
  };
}

function withMemory(machine: Machine, image: string, kind: Story["imageInMemory"]): Machine {
  if (kind === undefined) return machine;
  return kind === "ordinary" ? withImageInMemory(machine, image) : withMemoryDevice(machine, image, kind);
}

async function accompany(machine: Machine, story: Story, lines: readonly string[], ended: () => boolean) {
  const monitor = await Monitor.connect(machine.monitorSocket ?? "", ended);
  if (monitor !== undefined) await story.meanwhile?.(monitor, lines);
  return monitor;
}

/** The report of a story that has to reach its probe. */
export async function bootToReport(generation: Generation, story: Story): Promise<Report> {
  const { report, end, reason } = await boot(generation, story);
  if (report !== undefined) return report;
  throw new Error(`The probe in the next stage did not report: ${end}, ${String(reason)}`);
}

/** The kernel looks for another archive at multiples of this only. */
const ALIGNMENT = 4;

/** The first stage, with what a story lays over the files of the next stage behind it. */
export function initrdOf(generation: Generation, { append, initrd }: Pick<Story, "append" | "initrd">): Uint8Array {
  const firstStage = initrd ?? readFileSync(join(generation.folder, loadedFile(generation.manifest)));
  if (append === undefined) return firstStage;
  const sink = new MemorySink();
  encodeCpio(append, sink);
  const padding = new Uint8Array((ALIGNMENT - (firstStage.length % ALIGNMENT)) % ALIGNMENT);
  return Buffer.concat([firstStage, padding, sink.bytes()]);
}

/** Whether a text was on the console. */
export function says({ console }: Ending, text: string): boolean {
  return console.some((line) => line.includes(text));
}

/** What the first stage said on the console when it gave up, one sentence each. */
export function failures({ console }: Ending): string[] {
  const lines = console.flatMap((line) => /lazyrd: (.*)$/.exec(line)?.[1] ?? []);
  const first = lines.findIndex((line) => line.startsWith("FAILED"));
  return first < 0 ? [] : lines.slice(first);
}

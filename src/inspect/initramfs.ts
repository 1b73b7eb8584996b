import { detectNextStage } from "../build/index.ts";
import { byteStringFrom, FormatError, hex, toText } from "../bytes/index.ts";
import { detectCompression } from "../formats/compression/index.ts";
import { dumpInitramfs, type Initramfs, readInitramfs, type Segment, treeOfInitramfs } from "../formats/cpio/index.ts";
import { isModuleFile } from "../kernel/index.ts";
import { parsePlan } from "../plan/index.ts";
import { alignedLines, counted, formatExactSize, formatSize, labelledLines } from "../text/index.ts";
import { type Directory, kindOfMode, type Tree } from "../tree/index.ts";
import { listedCpioEntry } from "./listing.ts";
import { inspectModule, moduleInside } from "./module.ts";
import type { InspectedFile, Inspection, Reader } from "./types.ts";

const CPIO_MAGICS = ["070701", "070702", "070707"];

export const cpioReader: Reader = {
  what: "an initrd or cpio archive",
  matches: (head) => CPIO_MAGICS.includes(byteStringFrom(head.subarray(0, 6))),
  inspect: async (file) => describe(file, await readInitramfs(file.source)),
};

/** What is compressed is an initrd, or else a module: the names of both say so, but names are not looked at. */
export const compressedReader: Reader = {
  what: "an initrd or module that is compressed",
  matches: (head) => detectCompression(head) !== undefined,
  inspect: async (file) => {
    try {
      return describe(file, await readInitramfs(file.source));
    } catch (cause) {
      if (!(cause instanceof FormatError)) throw cause;
      const module = await moduleInside(file.source);
      if (module === undefined) throw cause;
      return inspectModule(file, module);
    }
  },
};

function describe({ source }: InspectedFile, initramfs: Initramfs): Inspection {
  const { tree, warnings } = treeOfInitramfs(initramfs);
  const { segments, bootconfig } = initramfs;
  const plan = firstStagePlan(tree);
  const modules = moduleFolders(tree);
  const nextStage = plan === undefined ? nextStageOf(tree) : undefined;
  const bootconfigText = bootconfig === undefined ? undefined : toText(byteStringFrom(bootconfig.text));
  return {
    format: "initramfs",
    title: `${plan === undefined ? "initrd" : "first stage of lazyrd"}, ${counted(segments.length, "segment")}`,
    lines: [
      ...segmentTable(segments),
      ...labelledLines([
        ["size", formatExactSize(source.size)],
        ["init", nextStage?.description],
        ["modules", modules.map(({ release, count }) => `${count} of ${release}`).join(", ") || undefined],
        ["bootconfig", bootconfig && `at offset ${hex(bootconfig.offset)}, ${bootconfig.text.length} bytes`],
      ]),
      ...(plan === undefined ? [] : ["  plan", ...plan.lines.map((line) => `    ${line}`)]),
    ],
    facts: {
      segments: segments.map((segment) => ({
        offset: segment.offset,
        lengthBytes: segment.length,
        compression: segment.method,
        unpackedBytes: segment.archive.bytes.length,
        entries: segment.archive.entries.length,
        early: segment.early,
        earlyContent: earlyContentOf(segment),
      })),
      bootconfig: bootconfig === undefined ? null : { offset: bootconfig.offset, text: bootconfigText },
      nextStage: nextStage === undefined ? null : { kind: nextStage.kind, init: nextStage.init },
      modules,
      plan: plan?.lines ?? null,
    },
    warnings: [...initramfs.warnings, ...warnings.map(({ name, message }) => `${toText(name)}: ${message}`)],
    problems: [],
    list: () =>
      segments.map(({ archive }, index) => ({
        title: `segment ${index + 1}`,
        entries: archive.entries.map(listedCpioEntry),
      })),
    dump: () => dumpInitramfs(initramfs),
    verify: undefined,
  };
}

function segmentTable(segments: readonly Segment[]): string[] {
  const rows = segments.map((segment, index) => [
    String(index + 1),
    hex(segment.offset),
    formatSize(segment.length),
    segment.method,
    formatSize(segment.archive.bytes.length),
    String(segment.archive.entries.length),
    segment.early ? `early: ${earlyContentOf(segment).join(", ")}` : "",
  ]);
  return alignedLines([["segment", "offset", "length", "packed", "unpacked", "entries", ""], ...rows], [0, 1, 2, 4, 5]);
}

/** What the kernel looks for in an early segment (find_microcode_in_initrd, acpi_table_upgrade). */
const EARLY_FILES: readonly { start: string; shown: string }[] = [
  { start: "kernel/x86/microcode/AuthenticAMD.bin", shown: "AMD microcode" },
  { start: "kernel/x86/microcode/GenuineIntel.bin", shown: "Intel microcode" },
  { start: "kernel/firmware/acpi/", shown: "ACPI tables" },
];

function earlyContentOf(segment: Segment): string[] {
  if (!segment.early) return [];
  const files = segment.archive.entries.filter((entry) => kindOfMode(entry.mode) === "file");
  const names = files.map((entry) => entry.name.replace(/^(\.?\/)+/, ""));
  return EARLY_FILES.filter(({ start }) => names.some((name) => name.startsWith(start))).map(({ shown }) => shown);
}

interface NextStageFacts {
  readonly kind: "systemd" | "script" | "none";
  /** Where the program of /init really stands; empty when there is none. */
  readonly init: string;
  readonly description: string;
}

function nextStageOf(tree: Tree): NextStageFacts {
  const init = tree.realPath("init");
  if (init === undefined) return { kind: "none", init: "", description: "none: the kernel starts nothing from it" };
  const { kind } = detectNextStage(tree);
  const path = `/${toText(init.path)}`;
  return { kind, init: path, description: `${path}, ${kind === "systemd" ? "systemd" : "a script or program"}` };
}

const PLAN_PATH = "lazyrd/plan";

/** The plan of a first stage; undefined for any other initrd. */
function firstStagePlan(tree: Tree): { lines: string[] } | undefined {
  const node = tree.resolve(PLAN_PATH);
  if (node?.kind !== "file") return undefined;
  const text = toPlanText(node.content.read(0, node.content.size));
  parsePlan(text);
  return { lines: text.trimEnd().split("\n") };
}

export function toPlanText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}

/** How many modules there are, by kernel release. */
function moduleFolders(tree: Tree): { release: string; count: number }[] {
  const folder = tree.resolve("usr/lib/modules") ?? tree.resolve("lib/modules");
  if (folder?.kind !== "directory") return [];
  return [...folder.entries].flatMap(([name, node]) => {
    const count = node.kind === "directory" ? countModules(node) : 0;
    return count === 0 ? [] : [{ release: toText(name), count }];
  });
}

function countModules(folder: Directory): number {
  let count = 0;
  for (const [name, node] of folder.entries) {
    if (node.kind === "directory") count += countModules(node);
    else if (isModuleFile(name)) count++;
  }
  return count;
}

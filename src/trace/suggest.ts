import { toText } from "../bytes/index.ts";
import { counted, formatSize } from "../text/index.ts";
import type { Analysis, ContentUse } from "./analyse.ts";
import type { TraceModule } from "./types.ts";

/** Something that would make this boot cheaper, and why that is thought. */
export interface Suggestion {
  readonly kind: "unused-drivers" | "slow-signatures" | "scattered" | "over-read" | "unused-files" | "no-exact";
  readonly text: string;
  /** What it would save: bytes in memory or on disk, or the guest's time, as far as that is known. */
  readonly bytes?: number;
  readonly ns?: number;
}

/** A module that the first stage brings along. */
export interface CarriedModule {
  readonly name: string;
  readonly sizeBytes: number;
}

/** A layout is judged good when no more is read than so much of what is touched. */
const GOOD_READ_PER_TOUCHED = 1.3;
/** And when what is read lies within so many times its size. */
const GOOD_FRONT_PER_READ = 2;
/** Without its signature a module is loaded in a few milliseconds, whatever it is. */
const SLOW_LOAD_NS = 20e6;
const NS_PER_MS = 1e6;
const NAMED_TREES = 3;

/**
 * What the figures of a boot say could be better; nothing that they do not show.
 * @param carried the modules of the first stage, where the generation is at hand
 */
export function suggestionsFor(analysis: Analysis, carried: readonly CarriedModule[] | undefined): Suggestion[] {
  const { content, modules } = analysis;
  return [
    ...(carried === undefined || modules === undefined ? [] : unusedDrivers(carried, modules)),
    ...(modules === undefined ? [] : slowSignatures(modules)),
    ...(content === undefined
      ? []
      : [...scattered(analysis, content), ...overRead(analysis, content), ...unused(content)]),
    ...(content?.touchedBytes === undefined && content !== undefined ? [noExact()] : []),
  ];
}

function unusedDrivers(carried: readonly CarriedModule[], modules: readonly TraceModule[]): Suggestion[] {
  const loaded = new Set(modules.filter(({ inFirstStage }) => inFirstStage).map(({ name }) => kernelName(name)));
  const unused = carried.filter(({ name }) => !loaded.has(kernelName(name)));
  if (unused.length === 0) return [];
  const bytes = unused.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const names = unused.map(({ name }) => name).join(", ");
  const text =
    `${counted(unused.length, "module")} of the first stage, ${formatSize(bytes)}, ` +
    `not loaded on this machine: ${names}. For machines like this one only: lazyrd build --drivers host, or a list`;
  return [{ kind: "unused-drivers", text, bytes }];
}

/** The kernel takes "-" and "_" for the same in names of modules. */
function kernelName(name: string): string {
  return name.replaceAll("-", "_");
}

function slowSignatures(modules: readonly TraceModule[]): Suggestion[] {
  const slow = modules.filter(({ loadNs, initNs }) => loadNs !== null && loadNs - initNs > SLOW_LOAD_NS);
  if (slow.length === 0) return [];
  const ns = slow.reduce((sum, { loadNs, initNs }) => sum + (loadNs ?? 0) - initNs, 0);
  const text =
    `loading ${counted(slow.length, "module")} took ${Math.round(ns / NS_PER_MS)} ms besides their own code, most of it to ` +
    'check signatures: where the initrd is authenticated, modules.signatures = "strip" saves that, or "resign" most of it';
  return [{ kind: "slow-signatures", text, ns }];
}

function scattered({ disk }: Analysis, { frontBytes, imageBytes }: ContentUse): Suggestion[] {
  if (disk.bytes === 0 || frontBytes <= GOOD_FRONT_PER_READ * disk.bytes) return [];
  const text =
    `what is read (${formatSize(disk.bytes)}, ${counted(disk.requests, "request")}) lies scattered over the first ` +
    `${formatSize(frontBytes)} of ${formatSize(imageBytes)}: no profile was used, or one that is out of date. ` +
    "lazyrd profile makes one of this trace, lazyrd build --profile puts it together";
  return [{ kind: "scattered", text }];
}

function overRead({ disk }: Analysis, { touchedBytes, readPerTouched }: ContentUse): Suggestion[] {
  if (touchedBytes === undefined || readPerTouched === undefined || readPerTouched <= GOOD_READ_PER_TOUCHED) return [];
  const bytes = disk.bytes - touchedBytes;
  const text =
    `${formatSize(bytes)} are read and not used, ${readPerTouched.toFixed(2)} times what is touched: with a profile, what is ` +
    "read ahead is what comes next";
  return [{ kind: "over-read", text, bytes }];
}

function unused({ unread, imageBytes }: ContentUse): Suggestion[] {
  const bytes = unread.reduce((sum, tree) => sum + tree.bytes, 0);
  if (bytes === 0) return [];
  const largest = unread.slice(0, NAMED_TREES).map((tree) => `/${toText(tree.path)} (${formatSize(tree.bytes)})`);
  const text =
    `${formatSize(bytes)} of ${formatSize(imageBytes)} were not used by this boot, most of it ${largest.join(", ")}: ` +
    "it costs room on the disk, not time";
  return [{ kind: "unused-files", text, bytes }];
}

function noExact(): Suggestion {
  return { kind: "no-exact", text: "how much of what was read is used: lazyrd trace --exact finds out" };
}

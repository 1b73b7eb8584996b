import { toText } from "../bytes/index.ts";
import { alignedLines, counted, formatSize, labelledLines } from "../text/index.ts";
import type { Analysis, ContentUse } from "./analyse.ts";
import type { Suggestion } from "./suggest.ts";
import type { Trace, TraceModule } from "./types.ts";

const NS_PER_SECOND = 1e9;
const NS_PER_MS = 1e6;
/** Rows of a table: what comes behind is small. */
const ROWS = 12;
const LONG_TEXT = 70;

/** What was booted, and how far it came: one line. */
export function describeBoot({ boot, end }: Trace): string {
  const { way, kernelRelease, machine, loadedBytes } = boot;
  const where = machine === null ? "this machine" : `QEMU ${machine.qemuVersion}, ${machine.diskBus}`;
  const ending = { reached: "", "guest-ended": "; the machine stopped", timeout: "; the time was over" }[end];
  const loaded = loadedBytes === null ? "" : `, ${formatSize(loadedBytes)} loaded with the kernel`;
  return `${way} boot of ${kernelRelease} on ${where}${loaded}${ending}`;
}

/** The figures by which a layout is judged, in one sentence. */
export function describeDisk({ disk, content, done }: Analysis): string {
  const until = done === undefined ? "in all" : `until ${done.name === "initrd-target" ? "initrd.target" : done.title}`;
  const read = `read ${formatSize(disk.bytes)} in ${counted(disk.requests, "request")} ${until}`;
  if (content?.touchedBytes === undefined || content.readPerTouched === undefined) return read;
  return `${read}; clusters touched ${formatSize(content.touchedBytes)}; ratio ${content.readPerTouched.toFixed(2)}`;
}

/** All that `lazyrd blame` shows, for a terminal. */
export function describeAnalysis(trace: Trace, analysis: Analysis, suggestions: readonly Suggestion[]): string {
  const { content, modules } = analysis;
  const parts = [
    [describeBoot(trace)],
    ["Time, and what was read meanwhile", ...phaseLines(analysis)],
    ["Steps of the first stage", ...stepLines(analysis)],
    ["Modules of the first stage", ...moduleLines(modules ?? [])],
    ["Longest silences of the console", ...silenceLines(analysis)],
    ["Disk", ...diskLines(analysis, trace)],
    ["Most read", ...fileLines(content)],
    ["Most read by directory", ...directoryLines(content)],
    [content?.touchedBytes === undefined ? "Never read" : "Never used", ...unreadLines(content)],
    ["Suggestions", ...suggestions.map(({ text }) => `  - ${text}`)],
  ];
  const shown = parts.filter((lines, index) => index === 0 || lines.length > 1);
  return shown.map((lines) => lines.join("\n")).join("\n\n");
}

function phaseLines({ phases }: Analysis): string[] {
  return alignedLines(
    phases.map(({ startNs, endNs, title, requests, bytes }) => [
      seconds(startNs),
      `+${milliseconds(endNs - startNs)}`,
      title,
      ...(requests === 0 ? [] : [requestsAndBytes(requests, bytes)]),
    ]),
    [0, 1],
  );
}

function stepLines({ steps }: Analysis): string[] {
  return alignedLines(
    steps.map(({ startNs, endNs, verb, outcome }) => [milliseconds(endNs - startNs), verb, shortened(outcome)]),
    [0],
  );
}

function moduleLines(modules: readonly TraceModule[]): string[] {
  return alignedLines(
    modules
      .filter(({ inFirstStage }) => inFirstStage)
      .map(({ name, loadNs, initNs }) => [
        loadNs === null ? "" : milliseconds(loadNs),
        name,
        `its own code ${milliseconds(initNs)}`,
      ]),
    [0],
  );
}

function silenceLines({ silences }: Analysis): string[] {
  return alignedLines(
    silences.map(({ startNs, endNs, after, requests, bytes }) => [
      milliseconds(endNs - startNs),
      requestsAndBytes(requests, bytes),
      `before: ${shortened(after)}`,
    ]),
    [0],
  );
}

function diskLines(analysis: Analysis, { boot, disks }: Trace): string[] {
  // A real machine only counts, for each of its disks, since it started.
  if (boot.source === "machine") {
    return labelledLines(disks.map(({ name, requests, bytes }) => [name, requestsAndBytes(requests, bytes)]));
  }
  const { disk, content } = analysis;
  const { requests, bytes, repeatedBytes, runs } = disk;
  if (requests === 0) return labelledLines([["read", "nothing"]]);
  const kinds = Object.entries(content?.bytesByKind ?? {}).filter(([, size]) => size > 0);
  return [
    ...labelledLines([
      ["requests", `${requests}, ${formatSize(bytes / requests)} each; ${requests - runs} continue another one`],
      ["read twice", repeatedBytes === 0 ? undefined : formatSize(repeatedBytes)],
      ["for", kinds.length === 0 ? undefined : kinds.map(([kind, size]) => `${kind} ${formatSize(size)}`).join(", ")],
      ["nine tenths", content && `in the first ${formatSize(content.frontBytes)} of ${formatSize(content.imageBytes)}`],
    ]),
    `  ${describeDisk(analysis)}`,
  ];
}

function fileLines(content: ContentUse | undefined): string[] {
  return alignedLines(
    (content?.files ?? [])
      .slice(0, ROWS)
      .map((file) => [
        formatSize(file.readBytes),
        ...(file.touchedBytes === undefined ? [] : [`touched ${formatSize(file.touchedBytes)}`]),
        counted(file.requests, "request"),
        `/${toText(file.path)}`,
      ]),
    [0],
  );
}

function directoryLines(content: ContentUse | undefined): string[] {
  return alignedLines(
    (content?.directories ?? [])
      .slice(0, ROWS)
      .map((directory) => [
        formatSize(directory.readBytes),
        ...(directory.touchedBytes === undefined ? [] : [`touched ${formatSize(directory.touchedBytes)}`]),
        counted(directory.files, "entry", "entries"),
        `/${toText(directory.path)}`,
      ]),
    [0],
  );
}

function unreadLines(content: ContentUse | undefined): string[] {
  return alignedLines(
    (content?.unread ?? [])
      .slice(0, ROWS)
      .map(({ path, files, bytes }) => [formatSize(bytes), counted(files, "entry", "entries"), `/${toText(path)}`]),
    [0],
  );
}

function requestsAndBytes(requests: number, bytes: number): string {
  return `${counted(requests, "request")}, ${formatSize(bytes)}`;
}

function seconds(ns: number): string {
  return `${(ns / NS_PER_SECOND).toFixed(3)} s`;
}

function milliseconds(ns: number): string {
  return `${(ns / NS_PER_MS).toFixed(1)} ms`;
}

function shortened(text: string): string {
  const line = text.trim();
  return line.length <= LONG_TEXT ? line : `${line.slice(0, LONG_TEXT - 3)}...`;
}

import { byteStringFrom, toText } from "../../bytes/index.ts";
import { FILE_TYPE_BITS, FILE_TYPE_MASK } from "../../tree/index.ts";
import type { CpioArchive, CpioEntry, CpioRange } from "./entry.ts";
import type { Initramfs, Segment } from "./initramfs.ts";
import { TRAILER } from "./layout.ts";

const OFFSET_DIGITS = 8;

/** One line for each entry, trailer, skipped entry and stretch of padding, by offset: together they are every byte. */
export function dumpCpio(archive: CpioArchive): string {
  const { entries, trailers, skipped, bytes } = archive;
  const records: { range: CpioRange; text: string }[] = [
    ...entries.map((entry) => ({ range: entry, text: describe(entry) })),
    ...trailers.map((trailer) => ({ range: trailer, text: TRAILER })),
    ...skipped.map((entry) => ({ range: entry, text: `skipped ${toText(entry.name)}: ${entry.reason}` })),
  ].sort((a, b) => a.range.offset - b.range.offset);
  const lines: string[] = [];
  let end = 0;
  for (const { range, text } of records) {
    if (range.offset > end) lines.push(line(end, range.offset, "padding"));
    lines.push(line(range.offset, range.end, text));
    end = range.end;
  }
  if (bytes.length > end) lines.push(line(end, bytes.length, "padding"));
  return lines.map((text) => `${text}\n`).join("");
}

/** The segments of an initrd, their entries below them, and what stands between them. */
export function dumpInitramfs(initramfs: Initramfs): string {
  const lines: string[] = [];
  let end = 0;
  const paddingUpTo = (offset: number): void => {
    if (offset > end) lines.push(line(end, offset, "padding"));
  };
  for (const segment of initramfs.segments) {
    paddingUpTo(segment.offset);
    end = segment.offset + segment.length;
    lines.push(line(segment.offset, end, describeSegment(segment)));
    lines.push(
      ...dumpCpio(segment.archive)
        .trimEnd()
        .split("\n")
        .map((text) => `  ${text}`),
    );
  }
  const { bootconfig } = initramfs;
  paddingUpTo(bootconfig?.offset ?? initramfs.size);
  if (bootconfig !== undefined) {
    lines.push(line(bootconfig.offset, initramfs.size, `bootconfig of ${bootconfig.text.length} bytes`));
  }
  return lines.map((text) => `${text}\n`).join("");
}

function describeSegment({ method, early, archive }: Segment): string {
  return `segment ${method}${early ? " early" : ""}: ${archive.bytes.length} bytes, ${archive.entries.length} entries`;
}

function describe(entry: CpioEntry): string {
  const type = entry.mode & FILE_TYPE_MASK;
  const isDevice = type === FILE_TYPE_BITS["character-device"] || type === FILE_TYPE_BITS["block-device"];
  const target = type === FILE_TYPE_BITS.symlink ? ` -> ${toText(byteStringFrom(entry.data))}` : "";
  return [
    entry.mode.toString(8).padStart(6, "0"),
    `ino=${entry.devMajor}:${entry.devMinor}:${entry.ino}`,
    `links=${entry.nlink}`,
    `owner=${entry.uid}:${entry.gid}`,
    `mtime=${entry.mtime}`,
    isDevice ? `device=${entry.rdevMajor}:${entry.rdevMinor}` : `data=${digits(entry.dataOffset)}+${entry.data.length}`,
    `${toText(entry.name)}${target}`,
  ].join(" ");
}

function line(offset: number, end: number, text: string): string {
  return `${digits(offset)}-${digits(end)} ${text}`;
}

function digits(value: number): string {
  return value.toString(16).padStart(OFFSET_DIGITS, "0");
}

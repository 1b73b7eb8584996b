import { toText } from "../../bytes/index.ts";
import { formatSize } from "../../text/index.ts";
import type { PlaceKind } from "../../trace/index.ts";
import type { DirectoryUse, EntryUse, ImageContent, KindUse } from "../types.ts";
import { formatCount, formatShare, formatTime, shownPath } from "./format.ts";
import { type Html, html } from "./html.ts";
import { readBar } from "./image-map.ts";
import { bar, folded, restLine, table } from "./table.ts";
import { leavesOf, treemap } from "./treemap.ts";

const MAX_ENTRIES = 1000;

const KIND_TITLES: Readonly<Record<PlaceKind, string>> = {
  file: "content of files",
  directory: "directories",
  symlink: "symbolic links",
  inode: "inodes and attributes",
  "file-system": "the file system's own",
  hashes: "dm-verity hash tree",
  "partition-table": "partition table",
};

/** What was read of what the image holds. */
export function contentSection({ kinds, entries, directories }: ImageContent): Html {
  const read = entries.filter(({ readContentBytes }) => readContentBytes > 0);
  return html`<h3>By directory</h3>
<p>Each area is as large as what the directory takes of the image. Filled: read. Hatched: never read.</p>
${treemap(directories)}
${folded("Directories as a table", directoryTable(directories))}
<h3>By kind</h3>
${kindTable(kinds)}
<h3>By file</h3>
<p>${formatCount(read.length)} of ${formatCount(entries.length)} files, directories and links have content that was read.</p>
${folded("Files in the order in which they were first read", entryTable(read))}`;
}

function directoryTable(root: DirectoryUse): Html {
  const leaves = leavesOf(root).sort((a, b) => b.bytes - a.bytes);
  const scale = leaves[0]?.bytes ?? 0;
  const rows = leaves.map(({ path, bytes, readBytes, files }) => [
    html`<code>${shownPath(path)}</code> <span class="detail">${formatCount(files)} entries</span>`,
    bar(readBar(readBytes, bytes, scale)),
    formatSize(bytes),
    formatSize(readBytes),
    formatShare(readBytes / bytes),
  ]);
  return table("What was read of each directory", useColumns("directory"), rows);
}

function kindTable(kinds: readonly KindUse[]): Html {
  const scale = kinds.reduce((largest, { bytes }) => Math.max(largest, bytes), 0);
  const rows = kinds.map(({ kind, bytes, readBytes }) => [
    KIND_TITLES[kind],
    bar(readBar(readBytes, bytes, scale)),
    formatSize(bytes),
    formatSize(readBytes),
    formatShare(readBytes / bytes),
  ]);
  return table("What was read of each kind of data", useColumns("kind"), rows);
}

function useColumns(title: string) {
  return [
    { title },
    { title: "", kind: "bar" },
    { title: "takes", kind: "number" },
    { title: "read", kind: "number" },
    { title: "share", kind: "number" },
  ] as const;
}

function entryTable(read: readonly EntryUse[]): Html {
  const ordered = [...read].sort((a, b) => (a.firstNs ?? 0) - (b.firstNs ?? 0) || a.offset - b.offset);
  const rows = ordered
    .slice(0, MAX_ENTRIES)
    .map(({ path, offset, contentBytes, readContentBytes, firstNs }) => [
      html`<code>/${toText(path)}</code>`,
      formatTime(firstNs ?? 0),
      String(offset),
      formatSize(contentBytes),
      formatSize(readContentBytes),
    ]);
  const columns = [
    { title: "file", kind: "path" },
    { title: "first read", kind: "number" },
    { title: "offset", kind: "number" },
    { title: "takes", kind: "number" },
    { title: "read", kind: "number" },
  ] as const;
  return html`<div data-filter>${table("Files that were read", columns, rows)}</div>${restLine(ordered.length, rows.length, "files")}`;
}

import { BLOCK_BYTES, blocksOfTouched, blocksRead } from "./blocks.ts";
import type { ImageMap } from "./image-map.ts";
import { bytesOf, imageDone, longestSilences, type Phase, phasesOf, readsUntilDone, type Silence } from "./phases.ts";
import type { Trace, TraceMilestone, TraceModule, TraceRead, TraceStep } from "./types.ts";
import { type UnreadTree, unreadTrees } from "./unread.ts";
import { type FileUsage, type Usage, usageOf } from "./usage.ts";

/** What a trace says of its boot; sizes in bytes. */
export interface Analysis {
  readonly phases: readonly Phase[];
  readonly steps: readonly TraceStep[];
  readonly silences: readonly Silence[];
  /** Until when reads are judged: initrd.target, or what stands for it; undefined when all of the boot is. */
  readonly done: TraceMilestone | undefined;
  /** Until then. */
  readonly disk: DiskUse;
  /** What the reads were for; undefined without the image. */
  readonly content: ContentUse | undefined;
  readonly modules: readonly TraceModule[] | undefined;
}

export interface DiskUse {
  readonly requests: number;
  readonly bytes: number;
  /** Read more than once. */
  readonly repeatedBytes: number;
  /** Requests that begin where no other request has ended: each a seek on a disk that turns. */
  readonly runs: number;
}

export interface ContentUse {
  readonly bytesByKind: Usage["bytesByKind"];
  /** Of what was touched, the blocks that any boot has to read; undefined without an exact trace. */
  readonly touchedBytes: number | undefined;
  /** Bytes read for each byte of these. */
  readonly readPerTouched: number | undefined;
  /** How far into the file system one has to go for nine tenths of what was read. */
  readonly frontBytes: number;
  readonly imageBytes: number;
  /** Read or touched, most bytes read first. */
  readonly files: readonly FileUsage[];
  /** The same summed up for each directory that holds some. */
  readonly directories: readonly DirectoryUse[];
  readonly unread: readonly UnreadTree[];
}

export interface DirectoryUse {
  readonly path: string;
  readonly files: number;
  readonly readBytes: number;
  readonly touchedBytes: number | undefined;
}

const SILENCES = 10;
/** Of what was read: the rest may lie anywhere. */
const FRONT_SHARE = 0.9;

/** @param map of the image, where it is at hand */
export function analyseTrace(trace: Trace, map: ImageMap | undefined): Analysis {
  const reads = readsUntilDone(trace);
  return {
    phases: phasesOf(trace),
    steps: trace.steps,
    silences: longestSilences(trace, SILENCES),
    done: imageDone(trace),
    disk: diskUse(reads),
    content: map === undefined ? undefined : contentUse(reads, trace, map),
    modules: trace.modules,
  };
}

function diskUse(reads: readonly TraceRead[]): DiskUse {
  const bytes = bytesOf(reads);
  const ends = new Set<number>();
  let runs = 0;
  for (const { offset, length } of reads) {
    if (!ends.has(offset)) runs++;
    ends.add(offset + length);
  }
  return { requests: reads.length, bytes, repeatedBytes: bytes - blocksRead(reads).size * BLOCK_BYTES, runs };
}

function contentUse(reads: readonly TraceRead[], trace: Trace, map: ImageMap): ContentUse {
  const { bytesByKind, files } = usageOf(reads, trace.touched, map);
  const touchedBytes = trace.touched === undefined ? undefined : blocksOfTouched(trace.touched, map).size * BLOCK_BYTES;
  const used = [...files.values()]
    .filter((file) => file.readBytes > 0 || (file.touchedBytes ?? 0) > 0)
    .sort((a, b) => b.readBytes - a.readBytes || (a.path < b.path ? -1 : 1));
  return {
    bytesByKind,
    touchedBytes,
    readPerTouched: touchedBytes === undefined ? undefined : bytesOf(reads) / touchedBytes,
    frontBytes: frontBytes(reads, map),
    imageBytes: map.sizeBytes,
    files: used,
    directories: directoriesOf(used),
    unread: unreadTrees(files.values()),
  };
}

function frontBytes(reads: readonly TraceRead[], map: ImageMap): number {
  const hashes = map.places.find(({ kind }) => kind === "hashes");
  const blocks = [...blocksRead(reads)].map((block) => block * BLOCK_BYTES).sort((a, b) => a - b);
  const ofData = blocks.filter(
    (at) => at >= map.dataOffset && (hashes === undefined || at < hashes.start || at >= hashes.end),
  );
  const last = ofData[Math.ceil(ofData.length * FRONT_SHARE) - 1];
  return last === undefined ? 0 : last + BLOCK_BYTES - map.dataOffset;
}

function directoriesOf(files: readonly FileUsage[]): DirectoryUse[] {
  const uses = new Map<string, { files: number; readBytes: number; touchedBytes: number | undefined }>();
  for (const { path, readBytes, touchedBytes } of files) {
    const parent = path.slice(0, Math.max(path.lastIndexOf("/"), 0));
    const use = uses.get(parent) ?? { files: 0, readBytes: 0, touchedBytes: undefined };
    const touched = touchedBytes === undefined ? use.touchedBytes : (use.touchedBytes ?? 0) + touchedBytes;
    uses.set(parent, { files: use.files + 1, readBytes: use.readBytes + readBytes, touchedBytes: touched });
  }
  return [...uses]
    .map(([path, use]) => ({ path, ...use }))
    .sort((a, b) => b.readBytes - a.readBytes || (a.path < b.path ? -1 : 1));
}

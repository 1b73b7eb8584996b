import { type ByteSource, chunksOf, SubSource } from "../../bytes/index.ts";
import { ContentReader } from "./content-reader.ts";
import { BUILT_IN_DECODERS } from "./decoders.ts";
import { describeSuperblock, dumpDescription } from "./describe.ts";
import { Budget, ErofsImage } from "./image.ts";
import { type ErofsRegion, regionsOf } from "./regions.ts";

type Region = Pick<ErofsRegion, "start" | "end" | "label">;

/** Offsets and lengths stand in columns of this width: 10 hexadecimal digits with "0x", 10 decimal ones. */
const OFFSET_WIDTH = 12;
const LENGTH_WIDTH = 10;

/**
 * The image as text: the superblock's facts, then every byte of the image in order, with what it belongs to.
 * @throws FormatError as the reader.
 */
export function dumpErofs(source: ByteSource): string {
  const image = new ErofsImage(source);
  // Nothing is unpacked but what the walk needs.
  const reader = new ContentReader(image, new Budget(source.size), BUILT_IN_DECODERS);
  const header = dumpDescription(describeSuperblock(image.superblock));
  const lines = withGaps(source, merged(regionsOf(reader))).map(({ start, end, label }) => {
    const offset = `0x${start.toString(16).padStart(OFFSET_WIDTH - 2, "0")}`;
    return `${offset} ${String(end - start).padStart(LENGTH_WIDTH)}  ${label}\n`;
  });
  return `${header}\n${lines.join("")}`;
}

/** In the order of the image; regions that are the same bytes (shared content) become one. */
function merged(regions: readonly Region[]): Region[] {
  const sorted = [...regions].sort((a, b) => a.start - b.start || a.end - b.end);
  const result: Region[] = [];
  for (const region of sorted) {
    const last = result.at(-1);
    if (last !== undefined && last.start === region.start && last.end === region.end) {
      result[result.length - 1] = { ...last, label: `${last.label}; ${region.label}` };
    } else {
      result.push(region);
    }
  }
  return result;
}

/** Adds what no region claims, so that every byte is accounted for; says where regions overlap. */
function withGaps(source: ByteSource, regions: readonly Region[]): Region[] {
  const result: Region[] = [];
  let end = 0;
  for (const region of [...regions, { start: source.size, end: source.size, label: "" }]) {
    if (region.start > end) result.push({ start: end, end: region.start, label: gapLabel(source, end, region.start) });
    const overlap = region.start < end ? ` (overlaps what stands before it)` : "";
    if (region.label !== "") result.push({ ...region, label: region.label + overlap });
    end = Math.max(end, region.end);
  }
  return result;
}

function gapLabel(source: ByteSource, start: number, end: number): string {
  for (const chunk of chunksOf(new SubSource(source, start, end - start))) {
    if (chunk.some((byte) => byte !== 0)) return "unused, not zero";
  }
  return "zeros";
}

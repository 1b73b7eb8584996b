import { type ByteSource, chunksOf, hex, SubSource, toText } from "../../bytes/index.ts";
import { describeFat } from "./describe.ts";
import { clusterOffset } from "./geometry.ts";
import { BOOT_SECTOR_BYTES, BootSector, BootSector16, BootSector32, FsInfo } from "./layout.ts";
import { type FatContent, readFat } from "./read.ts";

interface Region {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly name: string;
}

const OFFSET_WIDTH = 12;

/**
 * A volume as text: its facts and boot sector, then what every byte of it belongs to.
 * @throws FormatError as `readFat`.
 */
export function dumpFat(source: ByteSource): string {
  const content = readFat(source);
  const sector = source.read(0, BOOT_SECTOR_BYTES);
  const extension = content.volume.geometry.type === 32 ? BootSector32 : BootSector16;
  const lines = [
    "fat",
    ...valueLines(describeFat(content)),
    ...content.warnings.map((warning) => `  warning: ${warning}`),
    "boot sector",
    ...valueLines({ ...BootSector.parse(sector), ...extension.parse(sector) }),
    "bytes",
    ...withGaps(source, regionsOf(content)).map(
      ({ start, end, name }) => `  ${hex(start).padStart(OFFSET_WIDTH)}..${hex(end).padEnd(OFFSET_WIDTH)} ${name}`,
    ),
  ];
  return `${lines.join("\n")}\n`;
}

function valueLines(values: object): string[] {
  return Object.entries(values).map(([name, value]) => {
    const shown = value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value;
    return `  ${name.padEnd(16)}${JSON.stringify(shown)}`;
  });
}

function regionsOf({ volume, entries }: FatContent): Region[] {
  const { geometry, infoSector, backupSector } = volume;
  const { sectorBytes, fatCount, fatSectors, fatOffset, rootOffset, dataOffset, clusterBytes } = geometry;
  const sectorRegion = (sector: number | undefined, bytes: number, name: string): Region[] =>
    sector === undefined ? [] : [{ start: sector * sectorBytes, end: sector * sectorBytes + bytes, name }];
  const fats = Array.from({ length: fatCount }, (_, index): Region => {
    const start = fatOffset + index * fatSectors * sectorBytes;
    return { start, end: start + fatSectors * sectorBytes, name: `fat ${index}` };
  });
  const contents = entries.flatMap(({ path, kind, runs, attributes, shortName, size, mtime }) => {
    const facts = `${kind} ${shortName} attributes ${hex(attributes)} size ${size} mtime ${mtime}`;
    return runs.map(({ cluster, count }): Region => {
      const start = clusterOffset(geometry, cluster);
      const name = `${facts} cluster ${cluster}  /${toText(path)}`;
      return { start, end: start + count * clusterBytes, name };
    });
  });
  const isFixedRoot = rootOffset < dataOffset;
  return [
    ...sectorRegion(0, BOOT_SECTOR_BYTES, "boot sector"),
    ...sectorRegion(infoSector, FsInfo.size, "fsinfo"),
    ...sectorRegion(backupSector, BOOT_SECTOR_BYTES, "backup boot sector"),
    ...fats,
    ...(isFixedRoot ? [{ start: rootOffset, end: dataOffset, name: "root directory" }] : []),
    ...contents,
  ];
}

/** In the order of the volume, with what belongs to nothing, so that every byte is accounted for. */
function withGaps(source: ByteSource, regions: readonly Region[]): Region[] {
  const result: Region[] = [];
  let end = 0;
  const last = { start: source.size, end: source.size, name: "" };
  for (const region of [...regions].sort((a, b) => a.start - b.start).concat(last)) {
    if (region.start > end) result.push({ start: end, end: region.start, name: nameOfGap(source, end, region.start) });
    if (region !== last) result.push(region);
    end = Math.max(end, region.end);
  }
  return result;
}

function nameOfGap(source: ByteSource, start: number, end: number): string {
  for (const chunk of chunksOf(new SubSource(source, start, end - start))) {
    if (chunk.some((byte) => byte !== 0)) return "unused, not zero";
  }
  return "zeroes";
}

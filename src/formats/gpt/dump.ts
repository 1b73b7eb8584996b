import { alignUp, type ByteSource, fromText, hex, toText } from "../../bytes/index.ts";
import { attributeNames } from "./attributes.ts";
import { PRIMARY_HEADER_LBA } from "./layout.ts";
import { type Gpt, readGpt } from "./read.ts";

interface Region {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly name: string;
}

/** A disk as text: its table, then what every byte of it belongs to. */
export function dumpGpt(source: ByteSource): string {
  const gpt = readGpt(source);
  const lines = [
    `gpt, ${gpt.table} table, ${gpt.sectorSize}-byte sectors`,
    `  disk guid     ${gpt.diskGuid}`,
    `  usable        sectors ${gpt.firstUsableLba} to ${gpt.lastUsableLba}`,
    ...gpt.warnings.map((warning) => `  warning       ${warning}`),
    ...gpt.partitions.flatMap((partition) => [
      `partition ${partition.number}`,
      `  name          ${toText(fromText(partition.name))}`,
      `  type          ${partition.typeName ?? "unknown"} ${partition.typeGuid}`,
      `  guid          ${partition.partitionGuid}`,
      `  attributes    ${attributeNames(partition.attributes).join(" ") || "-"}`,
    ]),
    "bytes",
    ...withGaps(regionsOf(gpt, source.size), source.size).map(
      ({ start, end, name }) => `  ${hex(start).padStart(12)}..${hex(end).padEnd(12)} ${name}`,
    ),
  ];
  return `${lines.join("\n")}\n`;
}

function regionsOf(gpt: Gpt, diskSize: number): Region[] {
  const { sectorSize, entriesSizeBytes, entriesOffset } = gpt;
  const header = PRIMARY_HEADER_LBA * sectorSize;
  const backupHeader = (Math.floor(diskSize / sectorSize) - 1) * sectorSize;
  // The table that was read says where its entries are; the other one's stand where every tool puts them.
  const primary = gpt.table === "primary" ? entriesOffset : header + sectorSize;
  const backup = gpt.table === "backup" ? entriesOffset : backupHeader - alignUp(entriesSizeBytes, sectorSize);
  return [
    { start: 0, end: header, name: "protective mbr" },
    { start: header, end: header + sectorSize, name: "primary header" },
    { start: primary, end: primary + entriesSizeBytes, name: "primary entries" },
    ...gpt.partitions.map((partition) => ({
      start: partition.offsetBytes,
      end: partition.offsetBytes + partition.sizeBytes,
      name: `partition ${partition.number}`,
    })),
    { start: backup, end: backup + entriesSizeBytes, name: "backup entries" },
    { start: backupHeader, end: backupHeader + sectorSize, name: "backup header" },
  ];
}

function withGaps(regions: readonly Region[], diskSize: number): Region[] {
  const result: Region[] = [];
  let end = 0;
  for (const region of [...regions].sort((a, b) => a.start - b.start)) {
    if (region.start > end) result.push({ start: end, end: region.start, name: "unused" });
    result.push(region);
    end = Math.max(end, region.end);
  }
  if (end < diskSize) result.push({ start: end, end: diskSize, name: "unused" });
  return result;
}

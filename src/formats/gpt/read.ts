import { type ByteSource, FormatError, type Guid, NIL_GUID, SubSource, toSafeNumber } from "../../bytes/index.ts";
import { checkProtectiveMbr, type GptTable, hasGptSignature, readGptTable } from "./header.ts";
import { FORMAT, GptEntry, PRIMARY_HEADER_LBA, SECTOR_SIZES } from "./layout.ts";
import { partitionTypeName } from "./types.ts";

/** A partition of a disk that was read. */
export interface Partition {
  /** From 1, as tools and the kernel count: the entry's place in the table. */
  readonly number: number;
  readonly typeGuid: Guid;
  /** The type's identifier, for instance `root-x86-64-verity`, when it has one. */
  readonly typeName: string | undefined;
  readonly partitionGuid: Guid;
  readonly name: string;
  readonly attributes: bigint;
  readonly firstLba: number;
  /** Inclusive. */
  readonly lastLba: number;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** A disk that was read. */
export interface Gpt {
  readonly sectorSize: number;
  readonly diskGuid: Guid;
  readonly firstUsableLba: number;
  readonly lastUsableLba: number;
  /** Where the entries of the table that was read stand. Bytes. */
  readonly entriesOffset: number;
  readonly entriesSizeBytes: number;
  /** Which of the two tables this is; `backup` always comes with a warning. */
  readonly table: "primary" | "backup";
  readonly partitions: readonly Partition[];
  /** What is wrong with the disk although it could be read; one line each. */
  readonly warnings: readonly string[];
}

/**
 * Reads a disk's partition table: the primary one, or, with a warning, the backup when the primary is damaged.
 * The sector size is found by looking for the header.
 * @throws FormatError when there is no table, both are damaged, or a partition lies outside of the disk.
 */
export function readGpt(source: ByteSource): Gpt {
  checkProtectiveMbr(source);
  const warnings: string[] = [];
  const found = findTable(source, warnings);
  const { header } = found.table;
  const where = {
    format: FORMAT,
    offset: toSafeNumber(header.my_lba, { format: FORMAT, field: "my_lba" }) * found.sectorSize,
  };
  const gpt: Gpt = {
    sectorSize: found.sectorSize,
    diskGuid: header.disk_guid,
    firstUsableLba: toSafeNumber(header.first_usable_lba, { ...where, field: "first_usable_lba" }),
    lastUsableLba: toSafeNumber(header.last_usable_lba, { ...where, field: "last_usable_lba" }),
    entriesOffset: found.table.entriesOffset,
    entriesSizeBytes: found.table.entries.length,
    table: found.which,
    partitions: parsePartitions(found.table, found.sectorSize, source.size),
    warnings,
  };
  warnings.push(...misplaced(gpt));
  return gpt;
}

/** A partition's bytes. */
export function partitionSource(disk: ByteSource, partition: Partition): ByteSource {
  return new SubSource(disk, partition.offsetBytes, partition.sizeBytes);
}

interface Found {
  readonly table: GptTable;
  readonly which: Gpt["table"];
  readonly sectorSize: number;
}

function findTable(source: ByteSource, warnings: string[]): Found {
  const primary = findIntact(source, () => PRIMARY_HEADER_LBA);
  if (primary.found !== undefined) {
    const { table, sectorSize } = primary.found;
    warnings.push(...checkBackup(source, table, sectorSize));
    return { table, sectorSize, which: "primary" };
  }
  const backup = findIntact(source, (sectorSize) => Math.floor(source.size / sectorSize) - 1);
  const why = primary.fault?.message ?? `${FORMAT}: No header in sector ${PRIMARY_HEADER_LBA}`;
  if (backup.found === undefined) {
    const whyBackup = backup.fault?.message ?? `${FORMAT}: No header in the last sector`;
    throw new FormatError(`Cannot find a usable partition table: ${why}; ${whyBackup}`, {
      format: FORMAT,
      cause: primary.fault ?? backup.fault,
    });
  }
  warnings.push(`The primary partition table is damaged, the backup is used (${why})`);
  return { ...backup.found, which: "backup" };
}

/** The intact table of the smallest sector size, or what is wrong with the first one that has a signature. */
function findIntact(
  source: ByteSource,
  lbaFor: (sectorSize: number) => number,
): { found?: Omit<Found, "which">; fault?: FormatError | undefined } {
  let fault: FormatError | undefined;
  for (const sectorSize of SECTOR_SIZES) {
    const lba = lbaFor(sectorSize);
    if (!hasGptSignature(source, lba * sectorSize)) continue;
    const table = attempt(() => readGptTable(source, lba, sectorSize));
    if (!(table instanceof FormatError)) return { found: { table, sectorSize } };
    fault ??= table;
  }
  return { fault };
}

/** What is wrong with the table that would be used if the primary one broke. */
function checkBackup(source: ByteSource, primary: GptTable, sectorSize: number): string[] {
  const backup = attempt(() => {
    const lba = toSafeNumber(primary.header.alternate_lba, { format: FORMAT, field: "alternate_lba" });
    return readGptTable(source, lba, sectorSize);
  });
  if (backup instanceof FormatError) return [`The backup partition table is damaged (${backup.message})`];
  if (backup.header.partition_entry_array_crc32 !== primary.header.partition_entry_array_crc32) {
    return ["The backup partition table differs from the primary one"];
  }
  return [];
}

/** A result, or the FormatError in its place: which of two tables can be read is a question, not a failure. */
function attempt<T>(read: () => T): T | FormatError {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError) return error;
    throw error;
  }
}

function parsePartitions(table: GptTable, sectorSize: number, diskSize: number): Partition[] {
  const entrySize = table.header.size_of_partition_entry;
  const partitions: Partition[] = [];
  for (let index = 0; index < table.header.number_of_partition_entries; index++) {
    const entry = GptEntry.parse(table.entries, index * entrySize);
    if (entry.partition_type_guid === NIL_GUID) continue;
    partitions.push(parsePartition(entry, index + 1, sectorSize, diskSize, table.entriesOffset + index * entrySize));
  }
  return partitions;
}

function parsePartition(
  entry: GptEntry,
  number: number,
  sectorSize: number,
  diskSize: number,
  offset: number,
): Partition {
  const firstLba = toSafeNumber(entry.starting_lba, { format: FORMAT, field: "starting_lba", offset });
  const lastLba = toSafeNumber(entry.ending_lba, { format: FORMAT, field: "ending_lba", offset });
  const endBytes = (lastLba + 1) * sectorSize;
  if (firstLba <= PRIMARY_HEADER_LBA || lastLba < firstLba || endBytes > diskSize) {
    throw new FormatError(
      `Cannot use partition ${number}: it reaches from sector ${firstLba} to ${lastLba}, the disk has ${Math.floor(diskSize / sectorSize)}`,
      { format: FORMAT, offset, field: "ending_lba" },
    );
  }
  return {
    number,
    typeGuid: entry.partition_type_guid,
    typeName: partitionTypeName(entry.partition_type_guid),
    partitionGuid: entry.unique_partition_guid,
    name: Buffer.from(entry.partition_name).toString("utf16le").split("\0", 1)[0] ?? "",
    attributes: entry.attributes,
    firstLba,
    lastLba,
    offsetBytes: firstLba * sectorSize,
    sizeBytes: endBytes - firstLba * sectorSize,
  };
}

/** Partitions that overlap or lie in the tables: readable, but never written by a sound tool. */
function misplaced(gpt: Gpt): string[] {
  const warnings: string[] = [];
  let before: Partition | undefined;
  for (const partition of [...gpt.partitions].sort((a, b) => a.firstLba - b.firstLba)) {
    if (partition.firstLba < gpt.firstUsableLba || partition.lastLba > gpt.lastUsableLba) {
      warnings.push(`Partition ${partition.number} leaves the usable sectors`);
    }
    if (before !== undefined && partition.firstLba <= before.lastLba) {
      warnings.push(`Partitions ${before.number} and ${partition.number} overlap`);
    }
    if (before === undefined || partition.lastLba > before.lastLba) before = partition;
  }
  return warnings;
}

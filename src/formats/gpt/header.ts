import { type ByteSource, crc32, FormatError, hex, isPowerOfTwo, toHex, toSafeNumber } from "../../bytes/index.ts";
import {
  FORMAT,
  GPT_REVISION,
  GPT_SIGNATURE,
  GptEntry,
  GptHeader,
  MAX_ENTRY_COUNT,
  MAX_ENTRY_SIZE,
  MBR_RECORDS,
  MBR_SIGNATURE,
  MBR_TYPE_PROTECTIVE,
  MbrRecord,
  ProtectiveMbr,
} from "./layout.ts";

/** One of a disk's two tables, its checksums verified. */
export interface GptTable {
  readonly header: GptHeader;
  /** All entries, `header.size_of_partition_entry` bytes each. */
  readonly entries: Uint8Array;
  readonly entriesOffset: number;
}

/** Whether a header's signature stands at `offset`. */
export function hasGptSignature(source: ByteSource, offset: number): boolean {
  if (offset < 0 || offset + GptHeader.size > source.size) return false;
  return Buffer.from(source.read(offset, GPT_SIGNATURE.length)).toString("latin1") === GPT_SIGNATURE;
}

/**
 * The table whose header stands in sector `lba`, with both checksums verified.
 * @throws FormatError when a checksum is wrong or a field has a value it must not have.
 */
export function readGptTable(source: ByteSource, lba: number, sectorSize: number): GptTable {
  const offset = lba * sectorSize;
  // Copies, since a source may hand out its own memory. Not `slice`, which is a view when the source reads into a Buffer.
  const sector = new Uint8Array(source.read(offset, sectorSize));
  const header = GptHeader.parse(sector);
  const refuse = (field: keyof GptHeader, expected: string, got: string): never => {
    throw new FormatError(`Cannot use the GPT header: expected ${expected}, got ${got}`, {
      format: FORMAT,
      offset: offset + GptHeader.fields[field].offset,
      field,
    });
  };
  if (!hasGptSignature(source, offset))
    refuse("signature", `0x${Buffer.from(GPT_SIGNATURE).toString("hex")}`, `0x${toHex(header.signature)}`);
  if (header.revision !== GPT_REVISION) refuse("revision", hex(GPT_REVISION), hex(header.revision));
  if (header.header_size < GptHeader.size || header.header_size > sectorSize) {
    refuse("header_size", `${GptHeader.size} to ${sectorSize}`, String(header.header_size));
  }
  const covered = sector.subarray(0, header.header_size);
  GptHeader.write(covered, 0, { header_crc32: 0 });
  const headerCrc32 = crc32(covered);
  if (headerCrc32 !== header.header_crc32) refuse("header_crc32", hex(headerCrc32), hex(header.header_crc32));
  if (header.my_lba !== BigInt(lba)) refuse("my_lba", String(lba), String(header.my_lba));

  const entrySize = header.size_of_partition_entry;
  if (entrySize < GptEntry.size || entrySize > MAX_ENTRY_SIZE || !isPowerOfTwo(entrySize)) {
    refuse("size_of_partition_entry", `a power of two, ${GptEntry.size} to ${MAX_ENTRY_SIZE}`, String(entrySize));
  }
  const entryCount = header.number_of_partition_entries;
  if (entryCount > MAX_ENTRY_COUNT)
    refuse("number_of_partition_entries", `at most ${MAX_ENTRY_COUNT}`, String(entryCount));
  const entriesLba = toSafeNumber(header.partition_entry_lba, { format: FORMAT, field: "partition_entry_lba", offset });
  const entriesOffset = entriesLba * sectorSize;
  const entries = new Uint8Array(source.read(entriesOffset, entryCount * entrySize));
  const entriesCrc32 = crc32(entries);
  if (entriesCrc32 !== header.partition_entry_array_crc32) {
    refuse("partition_entry_array_crc32", hex(entriesCrc32), hex(header.partition_entry_array_crc32));
  }
  return { header, entries, entriesOffset };
}

/**
 * Checks that sector 0 holds a protective MBR.
 * @throws FormatError when it does not: the kernel takes such a disk for one without a GPT.
 */
export function checkProtectiveMbr(source: ByteSource): void {
  const mbr = ProtectiveMbr.parse(source.read(0, Math.min(source.size, ProtectiveMbr.size)));
  if (mbr.signature !== MBR_SIGNATURE) {
    throw new FormatError(
      `Cannot use the master boot record: expected ${hex(MBR_SIGNATURE)}, got ${hex(mbr.signature)}`,
      {
        format: FORMAT,
        offset: ProtectiveMbr.fields.signature.offset,
        field: "signature",
      },
    );
  }
  const types = Array.from(
    { length: MBR_RECORDS },
    (_, index) => MbrRecord.parse(mbr.records, index * MbrRecord.size).os_type,
  );
  if (!types.includes(MBR_TYPE_PROTECTIVE)) {
    const got = types.map(hex).join(" ");
    throw new FormatError(
      `Cannot use the master boot record: expected one of type ${hex(MBR_TYPE_PROTECTIVE)}, got ${got}`,
      {
        format: FORMAT,
        offset: ProtectiveMbr.fields.records.offset,
        field: "os_type",
      },
    );
  }
}

import { type ByteSink, type ByteSource, chunksOf, crc32, FormatError } from "../../bytes/index.ts";
import {
  FORMAT,
  GPT_REVISION,
  GPT_SIGNATURE,
  GptEntry,
  GptHeader,
  MBR_FIRST_CHS,
  MBR_LAST_CHS,
  MBR_MAX_SIZE_IN_LBA,
  MBR_SIGNATURE,
  MBR_TYPE_PROTECTIVE,
  MbrRecord,
  PRIMARY_HEADER_LBA,
  ProtectiveMbr,
} from "./layout.ts";
import type { DiskLayout, GptPlan } from "./plan.ts";

/** What goes into a partition: bytes that exist, or a function that writes them. May be shorter than the partition. */
export type PartitionContent = ByteSource | ((sink: ByteSink) => void);

/** The two ends of a disk: all that a GPT consists of. */
export interface EncodedGpt {
  /** Protective MBR, primary header and entries: goes to offset 0. */
  readonly head: Uint8Array;
  /** Backup entries and header. */
  readonly tail: Uint8Array;
  readonly tailOffset: number;
}

/** The largest piece of zeroes that is in memory at a time. */
const ZEROES_CHUNK = 64 * 1024;

/** The bytes of a disk's partition tables. */
export function encodeGpt(plan: GptPlan): EncodedGpt {
  const { layout } = plan;
  const { sectorSize } = layout;
  const entries = encodeEntries(plan);
  const entriesCrc32 = crc32(entries);
  const head = new Uint8Array(layout.firstUsableLba * sectorSize);
  head.set(encodeProtectiveMbr(layout));
  head.set(
    encodeHeader(plan, entriesCrc32, {
      my_lba: BigInt(PRIMARY_HEADER_LBA),
      alternate_lba: BigInt(layout.backupHeaderLba),
      partition_entry_lba: BigInt(PRIMARY_HEADER_LBA + 1),
    }),
    PRIMARY_HEADER_LBA * sectorSize,
  );
  head.set(entries, (PRIMARY_HEADER_LBA + 1) * sectorSize);

  const tailOffset = layout.backupEntriesLba * sectorSize;
  const tail = new Uint8Array(layout.sizeBytes - tailOffset);
  tail.set(entries);
  tail.set(
    encodeHeader(plan, entriesCrc32, {
      my_lba: BigInt(layout.backupHeaderLba),
      alternate_lba: BigInt(PRIMARY_HEADER_LBA),
      partition_entry_lba: BigInt(layout.backupEntriesLba),
    }),
    tail.length - sectorSize,
  );
  return { head, tail, tailOffset };
}

/**
 * Writes a whole disk from its first byte to its last: tables, contents, zeroes in every gap.
 * @throws FormatError when contents and partitions differ in number, or a content is larger than its partition.
 */
export function writeGpt(plan: GptPlan, contents: readonly PartitionContent[], sink: ByteSink): void {
  if (contents.length !== plan.partitions.length) {
    throw new FormatError(`Cannot write ${plan.partitions.length} partitions: got ${contents.length} contents`, {
      format: FORMAT,
    });
  }
  const { head, tail, tailOffset } = encodeGpt(plan);
  sink.write(head);
  let end = head.length;
  const inOrder = plan.partitions
    .map((partition, index) => ({ partition, content: contents[index] as PartitionContent }))
    .sort((a, b) => a.partition.offsetBytes - b.partition.offsetBytes);
  for (const { partition, content } of inOrder) {
    writeZeroes(sink, partition.offsetBytes - end);
    writeContent(content, partition.sizeBytes, sink);
    end = partition.offsetBytes + partition.sizeBytes;
  }
  writeZeroes(sink, tailOffset - end);
  sink.write(tail);
}

/**
 * Writes a partition's content and zeroes up to its end.
 * @throws FormatError when the content is larger than `sizeBytes`; nothing is written behind the partition then.
 */
export function writeContent(content: PartitionContent, sizeBytes: number, sink: ByteSink): void {
  let written = 0;
  const bounded: ByteSink = {
    write(bytes) {
      written += bytes.length;
      if (written > sizeBytes) {
        throw new FormatError(`Cannot write ${written} bytes or more: the partition has ${sizeBytes}`, {
          format: FORMAT,
        });
      }
      sink.write(bytes);
    },
  };
  if (typeof content === "function") content(bounded);
  else for (const chunk of chunksOf(content)) bounded.write(chunk);
  writeZeroes(sink, sizeBytes - written);
}

/** Writes `count` zero bytes. */
export function writeZeroes(sink: ByteSink, count: number): void {
  const zeroes = new Uint8Array(Math.min(count, ZEROES_CHUNK));
  for (let left = count; left > 0; left -= zeroes.length) sink.write(zeroes.subarray(0, left));
}

function encodeProtectiveMbr(layout: DiskLayout): Uint8Array {
  const records = MbrRecord.encode({
    starting_chs: MBR_FIRST_CHS,
    os_type: MBR_TYPE_PROTECTIVE,
    ending_chs: MBR_LAST_CHS,
    starting_lba: PRIMARY_HEADER_LBA,
    size_in_lba: Math.min(layout.backupHeaderLba, MBR_MAX_SIZE_IN_LBA),
  });
  return ProtectiveMbr.encode({ records, signature: MBR_SIGNATURE });
}

function encodeEntries(plan: GptPlan): Uint8Array {
  const entries = new Uint8Array(plan.layout.entryCount * GptEntry.size);
  for (const [index, partition] of plan.partitions.entries()) {
    GptEntry.write(entries, index * GptEntry.size, {
      partition_type_guid: partition.typeGuid,
      unique_partition_guid: partition.partitionGuid,
      starting_lba: BigInt(partition.firstLba),
      ending_lba: BigInt(partition.lastLba),
      attributes: partition.attributes,
      partition_name: Buffer.from(partition.name, "utf16le"),
    });
  }
  return entries;
}

type HeaderPlace = Pick<GptHeader, "my_lba" | "alternate_lba" | "partition_entry_lba">;

function encodeHeader(plan: GptPlan, entriesCrc32: number, place: HeaderPlace): Uint8Array {
  const values: Partial<GptHeader> = {
    signature: Buffer.from(GPT_SIGNATURE, "latin1"),
    revision: GPT_REVISION,
    header_size: GptHeader.size,
    ...place,
    first_usable_lba: BigInt(plan.layout.firstUsableLba),
    last_usable_lba: BigInt(plan.layout.lastUsableLba),
    disk_guid: plan.diskGuid,
    number_of_partition_entries: plan.layout.entryCount,
    size_of_partition_entry: GptEntry.size,
    partition_entry_array_crc32: entriesCrc32,
  };
  return GptHeader.encode({ ...values, header_crc32: crc32(GptHeader.encode(values)) });
}

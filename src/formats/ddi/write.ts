import {
  alignUp,
  type ByteSink,
  FormatError,
  type Guid,
  type PositionedSink,
  sequentialSink,
} from "../../bytes/index.ts";
import {
  type Architecture,
  attributesOf,
  type Designator,
  type DiskLayout,
  encodeGpt,
  type GptPlan,
  layoutDisk,
  type NewPartition,
  planGpt,
  type VerityRole,
  verityPartitionTypeGuid,
  writeZeroes,
} from "../gpt/index.ts";
import { VerityHasher, type VerityTree, verityHashAreaSize } from "../verity/index.ts";
import { derivedGuid, guidsOfRootHash } from "./identity.ts";
import { BLOCK_SIZE, DEFAULT_ALIGNMENT, FORMAT, SIGNATURE_PARTITION_SIZE } from "./layout.ts";
import { encodeVeritySignature, type VeritySignature } from "./signature.ts";

/** A Discoverable Disk Image to be made. */
export interface DdiOptions {
  readonly designator: Designator;
  readonly architecture: Architecture;
  /** The file system: its size, known beforehand, and a function that writes exactly so many bytes. */
  readonly data: { readonly sizeBytes: number; emit(sink: ByteSink): void };
  /** From the caller, who derives both from the content. */
  readonly verity: { readonly salt: Uint8Array; readonly uuid: Guid };
  /** Makes the signature once the root hash is known; without it there is no verity-sig partition. */
  readonly sign?: ((rootHash: Uint8Array) => Omit<VeritySignature, "rootHash">) | undefined;
  /** GPT partition names, for instance `name_1.2`, `name_1.2_verity`; by default `root-x86-64` and so on. */
  readonly labels?: Partial<Record<VerityRole, string>> | undefined;
  /** By default derived from the root hash. */
  readonly diskGuid?: Guid | undefined;
  readonly sectorSize?: number | undefined;
  /** Default 4 KiB. */
  readonly alignment?: number | undefined;
  /** What the whole image's size is to be a multiple of; default: the alignment. */
  readonly sizeMultiple?: number | undefined;
}

/** A DDI whose places are known, but not yet its content. */
export interface DdiPlan {
  readonly options: DdiOptions;
  readonly layout: DiskLayout;
  /** What the partitions are, in the order of `layout.extents`. */
  readonly roles: readonly VerityRole[];
  /** Of the whole image. */
  readonly sizeBytes: number;
}

/** A DDI that was written. */
export interface WrittenDdi {
  readonly tree: VerityTree;
  readonly gpt: GptPlan;
  readonly sizeBytes: number;
}

/**
 * Places the parts of a DDI.
 * @throws FormatError when there is no data, it is not made of whole blocks of 4096 bytes, or an option is not usable.
 */
export function planDdi(options: DdiOptions): DdiPlan {
  const { sizeBytes } = options.data;
  if (sizeBytes < BLOCK_SIZE || sizeBytes % BLOCK_SIZE !== 0) {
    throw new FormatError(`Cannot protect ${sizeBytes} bytes: expected a multiple of ${BLOCK_SIZE}, at least one`, {
      format: FORMAT,
    });
  }
  const parts: { role: VerityRole; sizeBytes: number }[] = [
    { role: "data", sizeBytes },
    { role: "verity", sizeBytes: verityHashAreaSize(sizeBytes / BLOCK_SIZE) },
    ...(options.sign === undefined ? [] : [{ role: "verity-sig" as const, sizeBytes: SIGNATURE_PARTITION_SIZE }]),
  ];
  const { sizeBytes: ownSize } = layoutDisk(parts, diskOptions(options));
  const diskSizeBytes = alignUp(ownSize, options.sizeMultiple ?? 1);
  const layout = layoutDisk(parts, { ...diskOptions(options), diskSizeBytes });
  return { options, layout, roles: parts.map((part) => part.role), sizeBytes: layout.sizeBytes };
}

/** Where the data, and nothing else, are to be written by a caller who does not leave that to `writeDdi`. */
export function dataOffsetOf(plan: DdiPlan): number {
  return extentOf(plan, "data").offsetBytes;
}

/** Where the area of the hashes, with its superblock, begins. */
export function hashOffsetOf(plan: DdiPlan): number {
  return extentOf(plan, "verity").offsetBytes;
}

/**
 * Writes a DDI in one pass over its data, holding nothing but the hash tree in memory.
 * @throws FormatError when `emit` writes more or less than it announced.
 */
export function writeDdi(plan: DdiPlan, output: PositionedSink): WrittenDdi {
  return writeAroundData(plan, writeData(plan.options, sequentialSink(output, dataOffsetOf(plan))), output);
}

/**
 * Writes all of a DDI but its data, which stand in their place already.
 *
 * The partition GUIDs are the root hash, which is known only after all data went by, and they stand in the first
 * sectors. So the first sectors are written last. This also means that a writer that dies half-way leaves a file
 * without a partition table at its start, not one that looks complete. (A power cut may reorder what the page cache
 * holds: the host still writes to a temporary name, syncs and renames.)
 *
 * Every byte is written exactly once, gaps included, so that old content of the output does not matter.
 * @param tree over the data
 */
export function writeAroundData(plan: DdiPlan, tree: VerityTree, output: PositionedSink): WrittenDdi {
  const { layout, options } = plan;
  const { firstUsableLba, sectorSize } = layout;
  const data = extentOf(plan, "data");
  const headBytes = firstUsableLba * sectorSize;
  writeZeroes(sequentialSink(output, headBytes), data.offsetBytes - headBytes);

  let end = data.offsetBytes + data.sizeBytes;
  const body = sequentialSink(output, end);
  const beginPart = (role: VerityRole): void => {
    const extent = extentOf(plan, role);
    writeZeroes(body, extent.offsetBytes - end);
    end = extent.offsetBytes + extent.sizeBytes;
  };
  beginPart("verity");
  body.write(tree.hashArea);
  if (options.sign !== undefined) {
    beginPart("verity-sig");
    body.write(encodeVeritySignature({ rootHash: tree.rootHash, ...options.sign(tree.rootHash) }));
  }

  const gpt = planTable(plan, tree.rootHash);
  const { head, tail, tailOffset } = encodeGpt(gpt);
  writeZeroes(body, tailOffset - end);
  body.write(tail);
  output.writeAt(0, head);
  return { tree, gpt, sizeBytes: layout.sizeBytes };
}

function extentOf({ layout, roles }: DdiPlan, role: VerityRole): DiskLayout["extents"][number] {
  const extent = layout.extents[roles.indexOf(role)];
  if (extent === undefined) throw new Error(`The plan has no ${role} partition`);
  return extent;
}

function writeData(options: DdiOptions, output: ByteSink): VerityTree {
  const { sizeBytes } = options.data;
  const hasher = new VerityHasher(options.verity);
  let written = 0;
  options.data.emit({
    write(bytes) {
      written += bytes.length;
      // Before the write: more than announced would end up in the next partition.
      if (written > sizeBytes) throw wrongSize(sizeBytes, written);
      hasher.write(bytes);
      output.write(bytes);
    },
  });
  if (written !== sizeBytes) throw wrongSize(sizeBytes, written);
  return hasher.finish();
}

/** The same disk as `planDdi` laid out, now with the GUIDs that the root hash gives. */
function planTable(plan: DdiPlan, rootHash: Uint8Array): GptPlan {
  const { options, layout } = plan;
  const { designator, architecture, labels } = options;
  const guids: Readonly<Record<VerityRole, Guid>> = {
    ...guidsOfRootHash(rootHash),
    "verity-sig": derivedGuid(rootHash, "signature-partition"),
  };
  const partitions = plan.roles.map((role, index): NewPartition => {
    const extent = layout.extents[index];
    return {
      sizeBytes: extent?.sizeBytes ?? 0,
      offsetBytes: extent?.offsetBytes,
      typeGuid: verityPartitionTypeGuid({ designator, architecture, role }),
      partitionGuid: guids[role],
      name: labels?.[role] ?? defaultLabel(options, role),
      attributes: attributesOf("read-only"),
    };
  });
  const diskGuid = options.diskGuid ?? derivedGuid(rootHash, "disk");
  return planGpt({ diskGuid, partitions, ...diskOptions(options), diskSizeBytes: layout.sizeBytes });
}

function diskOptions(options: DdiOptions): { sectorSize: number | undefined; alignment: number } {
  return { sectorSize: options.sectorSize, alignment: options.alignment ?? DEFAULT_ALIGNMENT };
}

function defaultLabel({ designator, architecture }: DdiOptions, role: VerityRole): string {
  return [designator, architecture, ...(role === "data" ? [] : [role])].join("-");
}

function wrongSize(expected: number, got: number): FormatError {
  return new FormatError(`Cannot write the data: expected ${expected} bytes, got ${got}`, { format: FORMAT });
}

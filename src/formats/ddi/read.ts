import { type ByteSource, FormatError, toHex } from "../../bytes/index.ts";
import {
  type Architecture,
  type Designator,
  type Gpt,
  type Partition,
  partitionSource,
  readGpt,
  type VerityRole,
  verityPartitionType,
} from "../gpt/index.ts";
import { readVerityRootHash, readVeritySuperblock, type VerityInfo } from "../verity/index.ts";
import { guidsOfRootHash, rootHashOfGuids } from "./identity.ts";
import { FORMAT, MAX_SIGNATURE_PARTITION_SIZE, ROOT_HASH_SIZE } from "./layout.ts";
import { parseVeritySignature, type VeritySignature } from "./signature.ts";

/** A partition and its bytes. */
export interface DdiPart {
  readonly partition: Partition;
  readonly source: ByteSource;
}

/** The verity side of a tree: hash area, superblock, and the root hash that the pair of partition GUIDs stands for. */
export interface DdiVerity extends DdiPart {
  readonly info: VerityInfo;
  /** Only claimed by the image: compare it with what the plan or a signature says. */
  readonly rootHash: Uint8Array;
}

/** A root or usr tree in a DDI. */
export interface DdiTree {
  readonly designator: Designator;
  readonly architecture: Architecture;
  readonly data: DdiPart;
  readonly verity: DdiVerity | undefined;
  readonly signature: (DdiPart & { readonly content: VeritySignature }) | undefined;
}

/** A DDI that was read. */
export interface Ddi {
  readonly gpt: Gpt;
  /** In the order of the partition table. */
  readonly trees: readonly DdiTree[];
  /** What did not fit together, the partition table's warnings included; one line each. */
  readonly warnings: readonly string[];
}

interface TypedPart extends DdiPart {
  readonly designator: Designator;
  readonly architecture: Architecture;
  readonly role: VerityRole;
}

/**
 * Reads a DDI's partition table and pairs data, verity and signature partitions. A verity partition belongs to the
 * data whose GUID, with its own, gives the root hash that the top of its tree really has; the blocks below are not
 * checked (see `verifyVerity`).
 * @throws FormatError when there is no usable partition table, or no root or usr partition.
 */
export function readDdi(source: ByteSource): Ddi {
  const gpt = readGpt(source);
  const warnings = [...gpt.warnings];
  const parts = gpt.partitions.flatMap((partition): TypedPart[] => {
    const type = verityPartitionType(partition.typeGuid);
    return type === undefined ? [] : [{ ...type, partition, source: partitionSource(source, partition) }];
  });
  const ofRole = (role: VerityRole) => parts.filter((part) => part.role === role);
  if (ofRole("data").length === 0) {
    throw new FormatError(
      "Cannot find a root or usr partition for x86-64 or arm64: is this a Discoverable Disk Image?",
      {
        format: FORMAT,
      },
    );
  }
  const hashAreas = ofRole("verity").flatMap((part) => readOr(warnings, part, readHashArea));
  const signatures = ofRole("verity-sig").flatMap((part) => readOr(warnings, part, readSignature));

  const used = new Set<DdiPart>();
  const trees = ofRole("data").map((data): DdiTree => {
    const { designator, architecture } = data;
    const verity = hashAreas.find((candidate) => isTreeOver(data, candidate));
    const rootHash = verity === undefined ? undefined : rootHashOf(data, verity);
    const signature = signatures.find(
      (candidate) => isSameTree(candidate, data) && toHex(candidate.content.rootHash) === (rootHash && toHex(rootHash)),
    );
    if (verity !== undefined) used.add(verity);
    if (signature !== undefined) used.add(signature);
    return {
      designator,
      architecture,
      data: { partition: data.partition, source: data.source },
      verity: verity && rootHash && { partition: verity.partition, source: verity.source, info: verity.info, rootHash },
      signature: signature && { partition: signature.partition, source: signature.source, content: signature.content },
    };
  });
  for (const part of [...hashAreas, ...signatures]) {
    if (!used.has(part))
      warnings.push(`Partition ${part.partition.number} (${part.role}) belongs to no data partition`);
  }
  return { gpt, trees, warnings };
}

type HashArea = TypedPart & { readonly info: VerityInfo };

function readHashArea(part: TypedPart): HashArea {
  return { ...part, info: readVeritySuperblock(part.source) };
}

function readSignature(part: TypedPart): TypedPart & { readonly content: VeritySignature } {
  const { size } = part.source;
  if (size > MAX_SIGNATURE_PARTITION_SIZE) {
    throw new FormatError(
      `Cannot read a signature of ${size} bytes: expected at most ${MAX_SIGNATURE_PARTITION_SIZE}`,
      {
        format: FORMAT,
      },
    );
  }
  return { ...part, content: parseVeritySignature(part.source.read(0, size)) };
}

/** What `read` makes of a part; a part that is damaged is left out with a warning, the others may still be good. */
function readOr<T>(warnings: string[], part: TypedPart, read: (part: TypedPart) => T): T[] {
  try {
    return [read(part)];
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    warnings.push(`Partition ${part.partition.number} (${part.role}) is not usable: ${error.message}`);
    return [];
  }
}

function isTreeOver(data: TypedPart, candidate: HashArea): boolean {
  if (!isSameTree(data, candidate)) return false;
  const { dataBlocks, dataBlockSize, geometry } = candidate.info;
  if (data.source.size < dataBlocks * dataBlockSize || candidate.source.size < geometry.hashAreaSize) return false;
  const rootHash = readVerityRootHash(data.source, candidate.source);
  if (rootHash.length !== ROOT_HASH_SIZE) return false;
  const guids = guidsOfRootHash(rootHash);
  return guids.data === data.partition.partitionGuid && guids.verity === candidate.partition.partitionGuid;
}

function isSameTree(a: TypedPart, b: TypedPart): boolean {
  return a.designator === b.designator && a.architecture === b.architecture;
}

function rootHashOf(data: DdiPart, verity: DdiPart): Uint8Array {
  return rootHashOfGuids(data.partition.partitionGuid, verity.partition.partitionGuid);
}

import { createHmac } from "node:crypto";
import { customGuid, GUID_SIZE, type Guid, toHex } from "../bytes/index.ts";
import {
  type DdiOptions,
  dataOffsetOf,
  guidsOfRootHash,
  hashOffsetOf,
  planDdi,
  type VeritySignature,
  writeAroundData,
} from "../formats/ddi/index.ts";
import { type ErofsOptions, planErofs } from "../formats/erofs/index.ts";
import type { Architecture } from "../formats/gpt/index.ts";
import { DEFAULT_BLOCK_SIZES, planVerity, saltWithVersion } from "../formats/verity/index.ts";
import type { WrittenFile } from "../host/index.ts";
import type { ImageFacts } from "../plan/index.ts";
import type { Tree } from "../tree/index.ts";
import { type KernelFacts, requireChunks } from "./compress/index.ts";
import type { Workforce } from "./threads/index.ts";
import { writeProtected } from "./write-protected.ts";

/** What a partition for signatures holds, for a root hash. */
export type SignRootHash = (rootHash: Uint8Array) => Omit<VeritySignature, "rootHash">;

export interface ImageOptions {
  /** Salt and UUIDs follow from it: the digest of what the tree was made from. */
  readonly seed: Uint8Array;
  readonly architecture: Architecture;
  /** What its partitions are. */
  readonly designator: "root" | "usr";
  /** How files are stored, where they are not stored as they are. */
  readonly files?: Pick<ErofsOptions, "planFile" | "compression" | "order" | "equalFiles" | "inlineFileTails">;
  /** Whether the order is that of a recorded boot. */
  readonly isRecorded: boolean;
  /** The kernel that is to read it. */
  readonly kernel: KernelFacts;
  readonly name: string;
  /** In its labels, behind the name, and in its salt; "" for none. */
  readonly version: string;
  /** Signs the root hash; without it, the image has no partition for that. */
  readonly signRootHash?: SignRootHash | undefined;
  /** What the image's size is to be a multiple of, where that matters. */
  readonly sizeMultiple?: number | undefined;
  /** Called with the image's size before the first byte is written. */
  readonly reserve: (bytes: number) => void;
  readonly threads: Workforce;
  /** Called with how many bytes were written since the last time. */
  readonly onWritten: (bytes: number) => void;
}

/**
 * Writes a tree as EROFS on dm-verity in a Discoverable Disk Image.
 * @throws UsageError when the kernel could not read it.
 */
export async function writeImage(tree: Tree, options: ImageOptions, file: WrittenFile): Promise<ImageFacts> {
  const { threads, onWritten } = options;
  const erofs = planErofs(tree, { uuid: derivedGuid(options.seed, "erofs"), ...options.files });
  requireChunks(erofs, options.kernel);
  const ownSalt = derive(options.seed, "verity-salt");
  const salt = options.version === "" ? ownSalt : saltWithVersion(ownSalt, options.version);
  const verity = { salt, uuid: derivedGuid(options.seed, "verity") };
  const plan = planDdi({
    designator: options.designator,
    architecture: options.architecture,
    data: erofs,
    verity,
    sign: options.signRootHash,
    labels: options.version === "" ? undefined : labelsOf(options),
    sizeMultiple: options.sizeMultiple,
  });
  options.reserve(plan.sizeBytes);
  const parameters = { ...DEFAULT_BLOCK_SIZES, ...verity };
  const hashTree = await writeProtected(erofs, parameters, file, { offset: dataOffsetOf(plan), threads, onWritten });
  const { sizeBytes } = writeAroundData(plan, hashTree, file);
  onWritten(sizeBytes - erofs.sizeBytes);
  const { data, verity: hash } = guidsOfRootHash(hashTree.rootHash);
  return {
    rootHash: toHex(hashTree.rootHash),
    salt: toHex(salt),
    dataBlocks: hashTree.dataBlocks,
    hashStartBlock: planVerity(hashTree.dataBlocks).hashStartBlock,
    dataPartition: data,
    hashPartition: hash,
    dataOffsetBytes: dataOffsetOf(plan),
    hashOffsetBytes: hashOffsetOf(plan),
    sizeBytes,
    // Of what boots usually read there is much more than any one of them does.
    prefetchBytes: options.isRecorded ? erofs.frontMetadataBytes : undefined,
  };
}

/** As the Discoverable Partitions Specification names versions of one thing beside each other. */
function labelsOf({ name, version }: ImageOptions): DdiOptions["labels"] {
  const label = `${name}_${version}`;
  return { data: label, verity: `${label}_verity`, "verity-sig": `${label}_verity-sig` };
}

/** 32 bytes that follow from the seed, different ones for each purpose. */
function derive(seed: Uint8Array, purpose: string): Uint8Array {
  return createHmac("sha256", seed).update(`lazyrd-${purpose}`).digest();
}

function derivedGuid(seed: Uint8Array, purpose: string): Guid {
  return customGuid(derive(seed, purpose).subarray(0, GUID_SIZE));
}

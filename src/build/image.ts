import { createHmac } from "node:crypto";
import { customGuid, GUID_SIZE, type Guid, type PositionedSink, toHex } from "../bytes/index.ts";
import { guidsOfRootHash, planDdi, writeDdi } from "../formats/ddi/index.ts";
import { type ErofsOptions, planErofs } from "../formats/erofs/index.ts";
import type { Architecture } from "../formats/gpt/index.ts";
import { planVerity } from "../formats/verity/index.ts";
import type { ImageFacts } from "../plan/index.ts";
import type { Tree } from "../tree/index.ts";

export interface ImageOptions {
  /** Salt and UUIDs follow from it: the digest of what the tree was made from. */
  readonly seed: Uint8Array;
  readonly architecture: Architecture;
  /** How files are stored, where they are not stored as they are. */
  readonly files?: Pick<ErofsOptions, "planFile" | "compression">;
  /** Called with the image's size before the first byte is written. */
  readonly reserve: (bytes: number) => void;
}

export interface WrittenImage extends ImageFacts {
  readonly sizeBytes: number;
}

/** Writes a tree as EROFS on dm-verity in a Discoverable Disk Image. */
export function writeImage(tree: Tree, options: ImageOptions, sink: PositionedSink): WrittenImage {
  const erofs = planErofs(tree, { uuid: derivedGuid(options.seed, "erofs"), ...options.files });
  const salt = derive(options.seed, "verity-salt");
  const plan = planDdi({
    designator: "root",
    architecture: options.architecture,
    data: erofs,
    verity: { salt, uuid: derivedGuid(options.seed, "verity") },
  });
  options.reserve(plan.sizeBytes);
  const { tree: verity, sizeBytes } = writeDdi(plan, sink);
  const { data, verity: hash } = guidsOfRootHash(verity.rootHash);
  return {
    rootHash: toHex(verity.rootHash),
    salt: toHex(salt),
    dataBlocks: verity.dataBlocks,
    hashStartBlock: planVerity(verity.dataBlocks).hashStartBlock,
    dataPartition: data,
    hashPartition: hash,
    sizeBytes,
  };
}

/** 32 bytes that follow from the seed, different ones for each purpose. */
function derive(seed: Uint8Array, purpose: string): Uint8Array {
  return createHmac("sha256", seed).update(`lazyrd-${purpose}`).digest();
}

function derivedGuid(seed: Uint8Array, purpose: string): Guid {
  return customGuid(derive(seed, purpose).subarray(0, GUID_SIZE));
}

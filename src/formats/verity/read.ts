import {
  type ByteSource,
  FormatError,
  type Guid,
  guidFromTextOrder,
  hex,
  toHex,
  toSafeNumber,
} from "../../bytes/index.ts";
import { checkSaltSize, planVerity, type VerityGeometry } from "./geometry.ts";
import { BlockHasher } from "./hash-blocks.ts";
import {
  DIGEST_SIZES,
  FORMAT,
  HASH_TYPE_CHROMEOS,
  HASH_TYPE_NORMAL,
  VERITY_SIGNATURE,
  VERITY_VERSION,
  type VerityAlgorithm,
  VeritySuperblock,
} from "./layout.ts";
import type { VerityParameters } from "./write.ts";

/** What a superblock says. Nothing in it is authenticated: compare it with what you expect, or with the plan. */
export interface VerityInfo extends VerityParameters {
  readonly dataBlocks: number;
  readonly geometry: VerityGeometry;
}

/**
 * What the superblock at the start of `bytes` says.
 * @throws FormatError when it is none, or names something that lazyrd does not know.
 */
export function parseVeritySuperblock(bytes: Uint8Array): VerityInfo {
  const raw = VeritySuperblock.parse(bytes);
  const signature = Buffer.from(raw.signature).toString("latin1");
  if (signature !== VERITY_SIGNATURE) {
    const [expected, got] = [Buffer.from(VERITY_SIGNATURE, "latin1").toString("hex"), toHex(raw.signature)];
    throw fault("signature", `Cannot read the superblock: expected 0x${expected}, got 0x${got}`);
  }
  if (raw.version !== VERITY_VERSION) {
    throw fault("version", `Cannot read the superblock: expected version ${VERITY_VERSION}, got ${raw.version}`);
  }
  if (raw.hash_type !== HASH_TYPE_NORMAL) {
    const name = raw.hash_type === HASH_TYPE_CHROMEOS ? "0, ChromeOS's old format" : hex(raw.hash_type);
    throw fault("hash_type", `Cannot use the tree: expected hash type ${HASH_TYPE_NORMAL}, got ${name}`);
  }
  if (!isAlgorithm(raw.algorithm)) {
    const known = Object.keys(DIGEST_SIZES).join(" or ");
    throw fault("algorithm", `Cannot use the tree: expected ${known}, got ${JSON.stringify(raw.algorithm)}`);
  }
  checkSaltSize(raw.salt_size);
  const dataBlocks = toSafeNumber(raw.data_blocks, { format: FORMAT, field: "data_blocks" });
  const sizes = { algorithm: raw.algorithm, dataBlockSize: raw.data_block_size, hashBlockSize: raw.hash_block_size };
  const uuid: Guid = guidFromTextOrder(raw.uuid);
  return {
    ...sizes,
    uuid,
    salt: raw.salt.slice(0, raw.salt_size),
    dataBlocks,
    geometry: planVerity(dataBlocks, sizes),
  };
}

/** Reads and parses the superblock at the start of a hash partition or file. */
export function readVeritySuperblock(hash: ByteSource): VerityInfo {
  return parseVeritySuperblock(hash.read(0, Math.min(hash.size, VeritySuperblock.size)));
}

/**
 * The root hash that the top of the tree (or the only data block) has, without a look at anything below.
 * @throws FormatError when the hash area or the data is too short for what the superblock says.
 */
export function readVerityRootHash(data: ByteSource, hash: ByteSource): Uint8Array {
  const info = readVeritySuperblock(hash);
  checkSizes(info, data, hash);
  const top = info.geometry.levels[0];
  const [source, offset, blockSize] =
    top === undefined ? [data, 0, info.dataBlockSize] : [hash, top.offset, info.hashBlockSize];
  return new Uint8Array(new BlockHasher(info.algorithm, info.salt, blockSize).digest(source.read(offset, blockSize)));
}

/**
 * Checks every hash block and every data block against `rootHash`, from the top down. What lies behind the data
 * blocks and behind the tree is not covered by verity and not looked at.
 * @returns what the superblock says, which the tree has now confirmed (all but the UUID).
 * @throws FormatError that names the first bad block, its level and its offset.
 */
export function verifyVerity(data: ByteSource, hash: ByteSource, rootHash: Uint8Array): VerityInfo {
  const info = readVeritySuperblock(hash);
  checkSizes(info, data, hash);
  const { levels, digestSize, digestsPerBlock } = info.geometry;
  const hashBlockHasher = new BlockHasher(info.algorithm, info.salt, info.hashBlockSize);
  const dataBlockHasher = new BlockHasher(info.algorithm, info.salt, info.dataBlockSize);

  // Layers from the root hash to the data; each block of a layer holds the digests of up to `digestsPerBlock` below it.
  const hashLayers = levels.map((level): Layer => {
    const name = `hash block of level ${level.level}`;
    const blockSize = info.hashBlockSize;
    return { name, source: hash, hasher: hashBlockHasher, blockSize, offset: level.offset, blocks: level.blocks };
  });
  const dataLayer: Layer = {
    name: "data block",
    source: data,
    hasher: dataBlockHasher,
    blockSize: info.dataBlockSize,
    offset: 0,
    blocks: info.dataBlocks,
  };
  const layers = [...hashLayers, dataLayer];

  // Blocks are compared with as many digests as there are: an empty root hash would confirm anything.
  if (rootHash.length !== digestSize) {
    throw fault("algorithm", `Cannot verify with a root hash of ${rootHash.length} bytes: expected ${digestSize}`);
  }
  checkBlocks(layers[0] ?? dataLayer, 0, rootHash);
  for (const [index, parent] of hashLayers.entries()) {
    const layer = layers[index + 1] ?? dataLayer;
    for (let block = 0; block < parent.blocks; block++) {
      const first = block * digestsPerBlock;
      const used = Math.min(digestsPerBlock, layer.blocks - first) * digestSize;
      const offset = parent.offset + block * parent.blockSize;
      // A copy, which the reads below cannot change.
      const digests = new Uint8Array(parent.source.read(offset, parent.blockSize));
      // Without this check, a superblock that names fewer data blocks than there are would pass.
      if (digests.subarray(used).some((byte) => byte !== 0)) {
        throw new FormatError(
          `Cannot verify ${parent.name} ${block}: it holds more digests than there are data blocks`,
          {
            format: FORMAT,
            offset,
            field: "data_blocks",
          },
        );
      }
      checkBlocks(layer, first, digests.subarray(0, used));
    }
  }
  return info;
}

interface Layer {
  readonly name: string;
  readonly source: ByteSource;
  readonly hasher: BlockHasher;
  readonly blockSize: number;
  readonly offset: number;
  readonly blocks: number;
}

/** Checks as many blocks of a layer, from number `first`, as there are digests. */
function checkBlocks(layer: Layer, first: number, digests: Uint8Array): void {
  const { digestSize } = layer.hasher;
  for (let at = 0, number = first; at < digests.length; at += digestSize, number++) {
    const offset = layer.offset + number * layer.blockSize;
    const got = layer.hasher.digest(layer.source.read(offset, layer.blockSize));
    const expected = digests.subarray(at, at + digestSize);
    if (got.equals(expected)) continue;
    throw new FormatError(`Cannot verify ${layer.name} ${number}: expected 0x${toHex(expected)}, got 0x${toHex(got)}`, {
      format: FORMAT,
      offset,
    });
  }
}

function checkSizes(info: VerityInfo, data: ByteSource, hash: ByteSource): void {
  const dataSize = info.dataBlocks * info.dataBlockSize;
  if (data.size < dataSize) {
    throw fault("data_blocks", `Cannot verify the data: expected ${dataSize} bytes, got ${data.size}`);
  }
  if (hash.size < info.geometry.hashAreaSize) {
    throw fault(
      "data_blocks",
      `Cannot verify the tree: expected ${info.geometry.hashAreaSize} bytes, got ${hash.size}`,
    );
  }
}

function isAlgorithm(name: string): name is VerityAlgorithm {
  return Object.hasOwn(DIGEST_SIZES, name);
}

function fault(field: keyof VeritySuperblock, message: string): FormatError {
  return new FormatError(message, { format: FORMAT, offset: VeritySuperblock.fields[field].offset, field });
}

import { readFileSync } from "node:fs";
import {
  BatchWork,
  BlockStore,
  type CompressionSettings,
  type Compressor,
  compressTree,
  erofsCompression,
  IMAGE_BLOCK_BYTES,
  loadEncoder,
  localCompressor,
} from "../../src/build/compress/index.ts";
import { Lz4Encoder } from "../../src/codec/index.ts";
import { compressedFiles, type ErofsOptions, type ErofsPlan, planErofs } from "../../src/formats/erofs/index.ts";
import { packageFile } from "../../src/host/index.ts";
import { regularFile, Tree } from "../../src/tree/index.ts";
import { noise } from "./erofs-trees.ts";

export const UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

export const lz4Wasm = (): Uint8Array => readFileSync(packageFile("dist/codec/lz4.wasm"));

export const newLz4Encoder = (): Lz4Encoder => new Lz4Encoder(lz4Wasm());

export function settingsOf(
  method: CompressionSettings["method"],
  clusterKib: number,
  inlineTails = true,
): CompressionSettings {
  return { method, clusterBytes: clusterKib * 1024, inlineTails };
}

export async function planCompressed(
  tree: Tree,
  settings: CompressionSettings,
  options: Partial<ErofsOptions> = {},
  { compressor, store = new BlockStore() }: { compressor?: Compressor; store?: BlockStore } = {},
): Promise<ErofsPlan> {
  const chosen = compressor ?? localCompressor(await loadEncoder(settings, lz4Wasm), settings);
  const files = await compressTree(tree, new BatchWork(chosen, store), options);
  const compression = erofsCompression(settings);
  const { algorithm } = compression;
  const planFile = compressedFiles(files, { algorithm, blockBytes: IMAGE_BLOCK_BYTES });
  return planErofs(tree, { uuid: UUID, planFile, compression, ...options });
}

/** Text that shrinks to about a third, the same every time. */
export function prose(length: number, seed = 1): Uint8Array {
  const words = Array.from({ length: 300 }, (_, index) =>
    Buffer.from(noise(2 + (index % 9), index + 1)).toString("hex"),
  );
  const choice = noise(Math.ceil(length / 3) + 1, seed);
  let text = "";
  for (let index = 0; text.length < length; index++) text += `${words[(choice[index] ?? 0) + (index % 40)]} `;
  return Buffer.from(text.slice(0, length), "latin1");
}

/** Pieces one after the other. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

const BLOCK = IMAGE_BLOCK_BYTES;
const MIB = 1 << 20;

/** Files at every boundary that compression has, of every kind of content. */
export function compressibles(): Tree {
  const tree = new Tree();
  const add = (name: string, content: Uint8Array): void => tree.setWithParents(name, regularFile(content));
  const kinds = { prose, noise, zeros: (length: number) => new Uint8Array(length) } as const;
  const lengths = [1, 127, 128, 129, 1000, 3000, BLOCK * 5 + 17, 65536, 65537, 100_000, 300_001];
  for (const blocks of [1, 2, 3, 15, 16, 17, 32, 33, 48])
    lengths.push(blocks * BLOCK - 1, blocks * BLOCK, blocks * BLOCK + 1);
  for (const [kind, make] of Object.entries(kinds)) {
    for (const length of lengths) add(`${kind}/${length}`, make(length, length));
  }
  // An end that is stored as it is, which begins inside of a block and crosses into the next one.
  for (const end of [1, 100, 2000, 4095, 4096, 4097, 5000, 8000]) {
    for (const start of [20_000, 65_536, 200_001]) add(`mixed/${start}-${end}`, joined(prose(start), noise(end)));
  }
  add("mixed/middle", joined(noise(70_000), prose(150_001), noise(90_001), prose(10_000), noise(3)));
  add("mixed/short", joined(...Array.from({ length: 40 }, (_, i) => joined(noise(i * 300, i + 1), prose(i * 500, i)))));
  add("zeros/huge", new Uint8Array(40 * MIB + 5));
  add("zeros/end", joined(noise(100), new Uint8Array(9 * MIB)));
  add("zeros/end-of-noise", joined(new Uint8Array(9 * MIB), noise(5000)));
  add("pieces/4m", prose(4 * MIB));
  add("pieces/4m+1", prose(4 * MIB + 1));
  add("pieces/4m-1", prose(4 * MIB - 1));
  add("pieces/noise-then-prose", joined(noise(4 * MIB), prose(5 * MIB)));
  add("pieces/prose-then-noise", joined(prose(4 * MIB), noise(4 * MIB + 100)));
  add("twin/a", prose(500_000, 9));
  add("twin/b", prose(500_000, 9));
  return tree;
}

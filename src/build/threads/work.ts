import { createHash } from "node:crypto";
import { type ByteSource, checkRange, UsageError } from "../../bytes/index.ts";
import { compress, decompress } from "../../formats/compression/index.ts";
import { hashBlocks } from "../../formats/verity/index.ts";
import { packageFile, readDescriptor, readInput, writeFully } from "../../host/index.ts";
import { BatchCompressor } from "../compress/batch.ts";
import { loadEncoder } from "../compress/encoders.ts";
import type { CompressionSettings } from "../compress/settings.ts";
import type { FileRange, JobName, Reply, Request } from "./jobs.ts";

/** What a job returns, and the buffers in it that are given away. */
interface Done<N extends JobName> {
  readonly reply: Reply<N>;
  readonly transfer?: readonly ArrayBuffer[];
}

/** How a job is done. `tell` is for what others can begin with before it is. */
export type Work<N extends JobName> = (
  request: Request<N>,
  tell: (news: Uint8Array) => void,
) => Done<N> | Promise<Done<N>>;

/** A multiple of every block size. Read in pieces of this size, a file of any size takes no more memory. */
const CHUNK_BYTES = 1 << 20;

export const WORK: { readonly [N in JobName]: Work<N> } = {
  async decompress({ input, limitBytes }, tell) {
    const source = input instanceof Uint8Array ? input : sourceOfRange(input);
    return { reply: await decompress(source, { limitBytes, onUnpacked: tell }) };
  },
  async pack({ bytes, ...options }) {
    return { reply: await compress(bytes, options) };
  },
  async compress({ settings, pieces, place }) {
    const compressor = await compressorOf(settings);
    const batch = compressor.compress(pieces);
    const { blocks } = batch;
    if (place !== undefined) {
      writeFully(place.descriptor, place.offset, blocks);
      return { reply: { pieces: batch.pieces, blocks: undefined } };
    }
    const copy = blocks.slice();
    return { reply: { pieces: batch.pieces, blocks: copy }, transfer: [copy.buffer] };
  },
  digest(input) {
    const hash = createHash("sha256");
    if (input instanceof Uint8Array) hash.update(input);
    else for (const chunk of chunksOfFile(input)) hash.update(chunk);
    return { reply: hash.digest("hex") };
  },
  "write-hashed"({ descriptor, offset, bytes, hashing }) {
    writeFully(descriptor, offset, bytes);
    return { reply: hashBlocks(bytes, hashing) };
  },
  "hash-blocks"({ hashing, ...range }) {
    return { reply: Buffer.concat(Array.from(chunksOfFile(range), (chunk) => hashBlocks(chunk, hashing))) };
  },
};

const chunk = new Uint8Array(CHUNK_BYTES);

/** A part of a file, in pieces that stand in the same memory one after the other. */
function* chunksOfFile({ descriptor, offset, length }: FileRange): Generator<Uint8Array> {
  for (let done = 0; done < length; done += CHUNK_BYTES) {
    const part = chunk.subarray(0, Math.min(CHUNK_BYTES, length - done));
    fill(part, descriptor, offset + done);
    yield part;
  }
}

function sourceOfRange({ descriptor, offset: start, length: size }: FileRange): ByteSource {
  const readInto = (offset: number, bytes: Uint8Array): void => {
    checkRange({ size }, offset, bytes.length, "input");
    fill(bytes, descriptor, start + offset);
  };
  return {
    size,
    readInto,
    read(offset, length) {
      checkRange({ size }, offset, length, "input");
      const bytes = new Uint8Array(length);
      readInto(offset, bytes);
      return bytes;
    },
  };
}

function fill(bytes: Uint8Array, descriptor: number, offset: number): void {
  const got = readDescriptor(descriptor, offset, bytes);
  if (got === bytes.length) return;
  throw new UsageError(`Cannot read what comes next: the file ends at ${offset + got}, it became shorter meanwhile`);
}

/** The compressor of the last settings: all of a build has the same. */
let compressor: { readonly settings: string; readonly promise: Promise<BatchCompressor> } | undefined;

function compressorOf(settings: CompressionSettings): Promise<BatchCompressor> {
  const key = JSON.stringify(settings);
  if (compressor?.settings !== key) compressor = { settings: key, promise: newCompressor(settings) };
  return compressor.promise;
}

async function newCompressor(settings: CompressionSettings): Promise<BatchCompressor> {
  const encoder = await loadEncoder(settings, () => readInput(packageFile("dist/codec/lz4.wasm"), "the compressor"));
  return new BatchCompressor(encoder, settings);
}

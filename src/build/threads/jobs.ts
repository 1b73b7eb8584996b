import type { Decompressed, OutputMethod } from "../../formats/compression/index.ts";
import type { BlockHashing } from "../../formats/verity/index.ts";
import type { CompressedBatch } from "../compress/batch.ts";
import type { CompressionSettings } from "../compress/settings.ts";
import type { SentError } from "./errors.ts";

/** A part of an open file. Threads of one process share its descriptors. */
export interface FileRange {
  readonly descriptor: number;
  readonly offset: number;
  readonly length: number;
}

/** What a thread reads: bytes that are sent to it, or a file that it reads in pieces. */
export type JobInput = Uint8Array | FileRange;

/** A part of a file that is compressed by itself. */
export interface BatchPiece {
  readonly bytes: Uint8Array;
  /** Whether the file ends with it. */
  readonly isLast: boolean;
}

/** What threads can do. All of it is plain data; shared memory stays where it is. */
export interface Jobs {
  /** Unpacks the stream that `input` starts with, into shared memory; its news are all that has been unpacked so far. */
  readonly decompress: {
    request: { readonly input: JobInput; readonly limitBytes: number };
    reply: Decompressed;
  };
  /** Packs all of `bytes` into one stream. */
  readonly pack: {
    request: { readonly bytes: Uint8Array; readonly method: OutputMethod; readonly level?: number };
    reply: Uint8Array;
  };
  /** Compresses pieces; with a `place` in a scratch file, the blocks are written there instead of being returned. */
  readonly compress: {
    request: {
      readonly settings: CompressionSettings;
      readonly pieces: readonly BatchPiece[];
      readonly place: Omit<FileRange, "length"> | undefined;
    };
    reply: CompressedBatch;
  };
  /** SHA-256, in hexadecimal. */
  readonly digest: {
    request: JobInput;
    reply: string;
  };
  /** Writes whole blocks into a file, and returns their digests for a hash tree. */
  readonly "write-hashed": {
    request: Omit<FileRange, "length"> & { readonly bytes: Uint8Array; readonly hashing: BlockHashing };
    reply: Uint8Array;
  };
  /** The digests of the blocks in a part of a file. */
  readonly "hash-blocks": {
    request: FileRange & { readonly hashing: BlockHashing };
    reply: Uint8Array;
  };
}

export type JobName = keyof Jobs;
export type Request<N extends JobName> = Jobs[N]["request"];
export type Reply<N extends JobName> = Jobs[N]["reply"];

export interface SentRequest<N extends JobName = JobName> {
  readonly id: number;
  readonly job: N;
  readonly request: Request<N>;
}

export type SentAnswer =
  | { readonly id: number; readonly news: Uint8Array }
  | { readonly id: number; readonly reply: Reply<JobName> }
  | { readonly id: number; readonly error: SentError };

import type { ByteSource } from "../../bytes/index.ts";
import { chunkedContent } from "./chunked-content.ts";
import { type FilePlace, flatContent, mayStandBehindInode, type StoredContent } from "./content.ts";

export interface StoredOptions {
  readonly blockBytes: number;
  /** Whether the rest after the last whole block may stand behind the inode. */
  readonly inlineTail: boolean;
}

/** Content as it is, in one place or, where the file is cut, in several. */
export function storedContent(body: ByteSource, place: FilePlace, options: StoredOptions): StoredContent {
  const { blockBytes } = options;
  if (place.parts.length > 1) return chunkedContent(body, place, blockBytes);
  const inlineTail = options.inlineTail && mayStandBehindInode(place, body.size % blockBytes);
  return flatContent(body, { blockBytes, headBytes: place.headBytes, inlineTail }, place.parts[0]?.rank);
}

import type { ByteSource } from "../../bytes/index.ts";
import { FileSource } from "../../host/index.ts";
import type { JobInput } from "./jobs.ts";

/** `bytes` as they can be sent to a thread: themselves where they are shared, or a copy without what lies around them. */
export function sendable(bytes: Uint8Array): Uint8Array {
  return bytes.buffer instanceof SharedArrayBuffer ? bytes : Uint8Array.from(bytes);
}

/** A part of a source as a thread is told of it: of a file, where it stands. */
export function sendablePart(source: ByteSource, offset = 0, length = source.size): JobInput {
  if (source instanceof FileSource) return { descriptor: source.descriptor, offset, length };
  return sendable(source.read(offset, length));
}

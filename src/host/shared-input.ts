import { UsageError } from "../bytes/index.ts";
import { FileSource, isRegularFile, readInput } from "./files.ts";

/** The largest typed array of Node.js 20. */
const MOST_BYTES = 2 ** 32;

/**
 * The whole content of a file that a person named, in memory that threads share.
 * @throws UsageError when it cannot be read; `what` says what it was wanted as: "the initrd".
 */
export function readSharedInput(path: string, what: string): Uint8Array {
  // What comes out of a pipe has no size.
  if (!isRegularFile(path)) return readInput(path, what);
  const source = new FileSource(path, what);
  try {
    if (source.size > MOST_BYTES) {
      throw new UsageError(`Cannot read ${what} ${path}: expected at most ${MOST_BYTES} bytes, it has ${source.size}`);
    }
    const bytes = new Uint8Array(new SharedArrayBuffer(source.size));
    source.readInto(0, bytes);
    return bytes;
  } finally {
    source.close();
  }
}

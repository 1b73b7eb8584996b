import { type ByteSource, checkRange, MemorySource, sharedBytes } from "../bytes/index.ts";
import { FileSource, isRegularFile, readInput } from "./files.ts";

/** A source that is closed when nobody needs it any more. */
export interface OpenSource extends ByteSource {
  close(): void;
}

/**
 * Opens a large input that a person named: whatever is read of it stands in memory that threads share, and threads can
 * read a file by themselves.
 * @throws UsageError when it cannot be read; `what` says what it was wanted as: "the initrd".
 */
export function openSharedInput(path: string, what: string): OpenSource {
  return isRegularFile(path) ? new SharedFileSource(path, what) : new SharedMemorySource(readInput(path, what));
}

class SharedFileSource extends FileSource {
  override read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length, this.path);
    const bytes = sharedBytes(length);
    this.readInto(offset, bytes);
    return bytes;
  }
}

/** What came out of a pipe: it has no place to be read from again. */
class SharedMemorySource extends MemorySource {
  constructor(bytes: Uint8Array) {
    const shared = sharedBytes(bytes.length);
    shared.set(bytes);
    super(shared);
  }

  close(): void {
    // Memory goes by itself.
  }
}

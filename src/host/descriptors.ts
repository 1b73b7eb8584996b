import { closeSync, openSync, readSync, unlinkSync } from "node:fs";
import { type ByteSource, checkRange } from "../bytes/index.ts";

/** What one call of the system may be asked for; Node.js refuses more than 2 GiB. */
export const MOST_BYTES_AT_ONCE = 1 << 30;

/** Fills `output` with what an open file has from `offset` on; returns how many bytes there were. */
export function readDescriptor(descriptor: number, offset: number, output: Uint8Array): number {
  let done = 0;
  while (done < output.length) {
    const got = readSync(descriptor, output, done, Math.min(output.length - done, MOST_BYTES_AT_ONCE), offset + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

/** A file without a name, for what does not fit into memory: whatever ends the process, nothing is left of it. */
export class ScratchFile {
  readonly descriptor: number;

  constructor(path: string) {
    this.descriptor = openSync(path, "wx+", 0o600);
    unlinkSync(path);
  }

  /** Whatever was written so far. */
  readonly source: ByteSource = {
    size: Number.MAX_SAFE_INTEGER,
    read: (offset, length) => {
      checkRange(this.source, offset, length, "scratch file");
      const bytes = new Uint8Array(length);
      if (readDescriptor(this.descriptor, offset, bytes) !== length) throw new RangeError("Nothing was written there");
      return bytes;
    },
  };

  close(): void {
    closeSync(this.descriptor);
  }
}

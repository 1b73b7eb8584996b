import { FormatError, sharedBytes } from "../bytes/index.ts";
import { VerityHasher, type VerityParameters, type VerityTree } from "../formats/verity/index.ts";
import type { WrittenFile } from "../host/index.ts";
import type { Workforce } from "./threads/index.ts";

/** What one thread writes and hashes at once: whole blocks of any size. */
const SLOT_BYTES = 1 << 20;
/** For each thread one to work on, and one that waits. */
const SLOTS_PER_THREAD = 2;

/** Data that is to be written to a file, and protected by a hash tree. */
export interface ProtectedData {
  /** Known beforehand; whole blocks. */
  readonly sizeBytes: number;
  chunks(): Iterable<Uint8Array>;
}

/** A piece of memory that is filled, sent off, and free again when it has been written. */
interface Slot {
  readonly bytes: Uint8Array;
  used: number;
}

/**
 * Writes data to `offset` of a file and hashes it on the way, both in threads.
 * @returns the hash tree over it.
 * @throws FormatError when there is more or less data than announced.
 */
export async function writeProtected(
  data: ProtectedData,
  parameters: VerityParameters,
  file: WrittenFile,
  options: {
    readonly offset: number;
    readonly threads: Workforce;
    readonly onWritten: (bytes: number) => void;
  },
): Promise<VerityTree> {
  const hashing = { ...parameters, blockSize: parameters.dataBlockSize };
  const digests: Promise<Uint8Array>[] = [];
  const free: Slot[] = [];
  const busy = new Set<Promise<unknown>>();
  let sentBytes = 0;

  const send = (slot: Slot): void => {
    const bytes = slot.bytes.subarray(0, slot.used);
    const request = { descriptor: file.descriptor, offset: options.offset + sentBytes, bytes, hashing };
    sentBytes += slot.used;
    const work = file.elsewhere(options.threads.run("write-hashed", request, slot.used)).then((result) => {
      busy.delete(work);
      options.onWritten(slot.used);
      slot.used = 0;
      free.push(slot);
      return result;
    });
    busy.add(work);
    digests.push(work);
  };
  const nextSlot = async (): Promise<Slot> => {
    const mostSlots = options.threads.threads * SLOTS_PER_THREAD;
    if (free.length === 0 && busy.size >= mostSlots) await Promise.race(busy);
    return free.pop() ?? { bytes: sharedBytes(SLOT_BYTES), used: 0 };
  };

  let slot = await nextSlot();
  for (const chunk of data.chunks()) {
    // Before the write: more than announced would end up in what follows.
    if (sentBytes + slot.used + chunk.length > data.sizeBytes)
      throw wrongSize(data, sentBytes + slot.used + chunk.length);
    for (let done = 0; done < chunk.length; ) {
      const part = chunk.subarray(done, done + SLOT_BYTES - slot.used);
      slot.bytes.set(part, slot.used);
      slot.used += part.length;
      done += part.length;
      if (slot.used < SLOT_BYTES) continue;
      send(slot);
      slot = await nextSlot();
    }
  }
  if (slot.used > 0) send(slot);
  if (sentBytes !== data.sizeBytes) throw wrongSize(data, sentBytes);
  const hasher = new VerityHasher(parameters);
  for (const result of await Promise.all(digests)) hasher.appendDigests(result);
  return hasher.finish();
}

function wrongSize({ sizeBytes }: ProtectedData, got: number): FormatError {
  return new FormatError(`Cannot write the data: expected ${sizeBytes} bytes, got ${got}`, { format: "image" });
}

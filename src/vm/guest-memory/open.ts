import { closeSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { freeMemory } from "./free-memory.ts";
import { findVmcoreInfo, type VmcoreInfo } from "./vmcoreinfo.ts";

const OBJECT = "guest-memory";
const MIB = 1 << 20;
const WORD_BYTES = 8;

/** The arguments that put a machine's memory where `GuestMemory` finds it: a file without a name. */
export function sharedMemoryArguments(memoryMib: number): string[] {
  return ["-object", `memory-backend-memfd,id=${OBJECT},size=${memoryMib}M,share=on`];
}

/** What stands behind -machine q35. */
export const SHARED_MEMORY_MACHINE = `,memory-backend=${OBJECT}`;

/** QEMU's q35 (hw/i386/pc_q35.c): less than this lies below 4 GiB in one piece; of more, 2 GiB do. */
const MOST_IN_ONE_PIECE = 0xb000_0000;
const LOWER_PIECE = 0x8000_0000;
const UPPER_START = 2 ** 32;

/**
 * The memory of a running machine, read from outside: the guest does nothing for it and does not notice, so that boots are
 * the same with and without.
 */
export class GuestMemory {
  readonly #file: number;
  readonly #bytes: number;
  #info: VmcoreInfo | undefined;

  private constructor(file: number, bytes: number) {
    this.#file = file;
    this.#bytes = bytes;
  }

  /** Undefined when QEMU has no such memory (yet), or has ended. */
  static open(qemuPid: number, memoryMib: number): GuestMemory | undefined {
    const files = `/proc/${qemuPid}/fd`;
    try {
      const own = readdirSync(files).find((name) => isMemory(`${files}/${name}`));
      return own === undefined ? undefined : new GuestMemory(openSync(`${files}/${own}`, "r"), memoryMib * MIB);
    } catch (cause) {
      if (isGone(cause)) return undefined;
      throw cause;
    }
  }

  /** Finds what the kernel says of itself, which takes a tenth of a second, once; false when it has not said it yet. */
  prepare(): boolean {
    this.#info ??= findVmcoreInfo(
      (offset, into) => void readSync(this.#file, into, 0, into.length, offset),
      this.#bytes,
    );
    return this.#info !== undefined;
  }

  /**
   * Bytes of the machine's memory that are not free: the kernel, programs, and files, whether as the rootfs has them or
   * in the page cache. Undefined for kernels that do not say where they count.
   */
  usedBytes(): number | undefined {
    if (!this.prepare() || this.#info === undefined) return undefined;
    const free = freeMemory(this.#info, (physical) => this.#readWord(physical));
    return free === undefined || free > this.#bytes ? undefined : this.#bytes - free;
  }

  close(): void {
    closeSync(this.#file);
  }

  /** Zero for what lies outside of the memory, as for what was never written. */
  #readWord(physical: bigint): bigint {
    const address = Number(physical);
    const isInOnePiece = this.#bytes < MOST_IN_ONE_PIECE;
    const offset = !isInOnePiece && address >= UPPER_START ? address - UPPER_START + LOWER_PIECE : address;
    const word = Buffer.alloc(WORD_BYTES);
    readSync(this.#file, word, 0, WORD_BYTES, offset);
    return word.readBigUInt64LE();
  }
}

function isMemory(path: string): boolean {
  try {
    return readlinkSync(path).startsWith("/memfd:memory-backend");
  } catch (cause) {
    if (isGone(cause)) return false;
    throw cause;
  }
}

function isGone(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && (cause.code === "ENOENT" || cause.code === "ESRCH");
}

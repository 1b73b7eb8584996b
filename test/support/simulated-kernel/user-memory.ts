import { Ended } from "./ends.ts";

/** The program's memory as a system call sees it. What lies outside ends the program, as the shim does. */
export class UserMemory {
  readonly #memory: WebAssembly.Memory;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
  }

  /** The bytes themselves, not a copy; valid until the program runs again. */
  bytes(address: number, length: number): Uint8Array {
    const [start, size] = [address >>> 0, length >>> 0];
    if (start + size > this.#memory.buffer.byteLength) throw outside();
    return new Uint8Array(this.#memory.buffer, start, size);
  }

  text(address: number): string {
    const all = Buffer.from(this.#memory.buffer);
    const end = all.indexOf(0, address >>> 0);
    if (end < 0) throw outside();
    return all.toString("latin1", address >>> 0, end);
  }
}

function outside(): Ended {
  return new Ended({ kind: "trap", reason: "a system call was handed memory outside of the program's" });
}

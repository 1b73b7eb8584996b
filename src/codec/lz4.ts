/** How hard to look for repetitions: at one earlier place, or for the cheapest encoding of all. */
export type Lz4Level = "fast" | "high";

/** LZ4's offsets have 16 bits (LZ4_DISTANCE_MAX). */
export const LZ4_MAX_DISTANCE = 0xffff;

/**
 * Earlier places that "high" compares each place with. Half as many make an initrd 0.3 % larger; twice as many make it
 * 0.1 % smaller and take a quarter longer.
 */
const HIGH_ATTEMPTS = 24;

/** What codec/assembly exports. */
interface Lz4Module {
  readonly memory: { readonly buffer: ArrayBuffer };
  inputAddress(): number;
  inputBytes(): number;
  outputAddress(): number;
  outputBytes(): number;
  start(): void;
  fast(offset: number, end: number, room: number): number;
  high(offset: number, end: number, room: number, attempts: number): number;
  consumedBytes(): number;
}

/** A block, and how much of the input it holds. `bytes` is a view that the next call overwrites. */
export interface EncodedBlock {
  readonly bytes: Uint8Array;
  readonly consumed: number;
}

/** The part of the global WebAssembly that is used; the types of Node 20 do not have it. */
interface WebAssemblyGlobal {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}

/** Encodes LZ4 blocks of a fixed size: as much input as fits. One encoder has one input at a time. */
export class Lz4Encoder {
  readonly #module: Lz4Module;
  #size = 0;

  /** @param wasm - dist/codec/lz4.wasm. */
  constructor(wasm: Uint8Array) {
    const { Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyGlobal }).WebAssembly;
    this.#module = new Instance(new Module(wasm)).exports as Lz4Module;
  }

  /** The most bytes that `load` takes. */
  get maxInputBytes(): number {
    return this.#module.inputBytes();
  }

  /** The next input. What came before has no effect on how it is encoded. */
  load(input: Uint8Array): void {
    if (input.length > this.maxInputBytes) {
      throw new RangeError(`An input of ${input.length} bytes, expected at most ${this.maxInputBytes}`);
    }
    this.#module.start();
    this.#size = input.length;
    new Uint8Array(this.#module.memory.buffer, this.#module.inputAddress(), input.length).set(input);
  }

  /**
   * A block of at most `room` bytes (at least 1 KiB) that holds the input from `offset` on, up to its end or as far as
   * fits. It keeps the rules for a block's end, its first byte is not zero, and it never holds more than 2 MiB.
   */
  encode(offset: number, room: number, level: Lz4Level): EncodedBlock {
    const module = this.#module;
    // Told this way round so that NaN is refused too.
    if (!(offset < this.#size && room >= MIN_ROOM_BYTES && room <= module.outputBytes())) {
      throw new RangeError(`Nothing to encode at ${offset} into ${room} bytes`);
    }
    const length =
      level === "fast" ? module.fast(offset, this.#size, room) : module.high(offset, this.#size, room, HIGH_ATTEMPTS);
    const bytes = new Uint8Array(module.memory.buffer, module.outputAddress(), length);
    return { bytes, consumed: module.consumedBytes() };
  }
}

/** The encoder keeps a few bytes free for the block's end: far below this there is no room for anything else. */
const MIN_ROOM_BYTES = 1024;

import { Zstd } from "@hpcc-js/wasm-zstd";

/** The part of the library's WebAssembly module that is used: C functions of zstd.h, and its memory. */
interface ZstdModule {
  readonly HEAPU8: Uint8Array;
  _malloc(size: number): number;
  _free(pointer: number): void;
}

interface ZstdFunctions {
  compress(to: number, room: number, from: number, size: number, level: number): number;
  decompress(to: number, room: number, from: number, size: number): number;
  compressBound(size: number): number;
  defaultCLevel(): number;
  isError(result: number): number;
  getErrorName(result: number): string;
}

interface ZstdStream {
  reset(): void;
  decompressChunk(to: number, room: number, from: number, size: number): number;
}

export interface ZstdLibrary {
  readonly module: ZstdModule;
  readonly functions: ZstdFunctions;
  readonly stream: ZstdStream;
}

/**
 * zstd as WebAssembly. The library's own methods pass every byte through an array of numbers (40 times slower than
 * zstd itself, and out of memory above 100 MB) and hide errors, so its module is called directly. The version is pinned
 * in package.json; should a later one be built otherwise, this fails at once and by name.
 */
export async function loadZstd(): Promise<ZstdLibrary> {
  const instance = (await Zstd.load()) as unknown as {
    _mainModule?: { _module?: ZstdModule };
    _zstdClass?: ZstdFunctions;
    _zstd?: ZstdStream;
  };
  const module = instance._mainModule?._module;
  if (module?.HEAPU8 === undefined || instance._zstdClass === undefined || instance._zstd === undefined) {
    throw new Error(
      "@hpcc-js/wasm-zstd is not the version that lazyrd was written for: install the one in package.json",
    );
  }
  return { module, functions: instance._zstdClass, stream: instance._zstd };
}

/** Calls `use` with `size` bytes of the library's memory and frees them again. */
export function withMemory<T>({ module }: ZstdLibrary, size: number, use: (pointer: number) => T): T {
  const pointer = module._malloc(size);
  if (pointer === 0) throw new Error(`zstd has no memory for ${size} bytes`);
  try {
    return use(pointer);
  } finally {
    module._free(pointer);
  }
}

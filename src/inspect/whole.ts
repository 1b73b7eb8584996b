import { type ByteSource, FormatError } from "../bytes/index.ts";
import { DEFAULT_LIMIT_BYTES } from "../formats/compression/index.ts";

/**
 * All bytes of what can only be read as a whole: initrds, kernels, modules.
 * @throws FormatError when it is larger than what may be unpacked: no machine could boot it.
 */
export function readWhole(source: ByteSource, format: string): Uint8Array {
  if (source.size > DEFAULT_LIMIT_BYTES) {
    throw new FormatError(`Cannot read ${source.size} bytes: expected at most ${DEFAULT_LIMIT_BYTES}`, { format });
  }
  return source.read(0, source.size);
}

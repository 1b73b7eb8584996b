const IEEE_POLYNOMIAL = 0xedb88320;
const CASTAGNOLI_POLYNOMIAL = 0x82f63b78;

function table(polynomial: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    return value >>> 0;
  });
}

const IEEE = table(IEEE_POLYNOMIAL);
const CASTAGNOLI = table(CASTAGNOLI_POLYNOMIAL);

function update(crcTable: Uint32Array, bytes: Uint8Array, state: number): number {
  let crc = state;
  for (const byte of bytes) crc = (crc >>> 8) ^ (crcTable[(crc ^ byte) & 0xff] as number);
  return crc >>> 0;
}

/** CRC-32 as zlib, GPT and PKZIP compute it. */
export function crc32(bytes: Uint8Array): number {
  return (update(IEEE, bytes, 0xffffffff) ^ 0xffffffff) >>> 0;
}

/**
 * The CRC-32C register after `bytes`, from `state`, without the final inversion: what Linux calls `crc32c(seed, ...)`
 * and what EROFS stores.
 */
export function crc32cState(bytes: Uint8Array, state = 0xffffffff): number {
  return update(CASTAGNOLI, bytes, state);
}

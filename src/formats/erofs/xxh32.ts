/** xxHash, 32 bits (the xxHash specification, doc/xxhash_spec.md, "XXH32 algorithm"): hashes attribute names. */
const PRIME_1 = 0x9e3779b1;
const PRIME_2 = 0x85ebca77;
const PRIME_3 = 0xc2b2ae3d;
const PRIME_4 = 0x27d4eb2f;
const PRIME_5 = 0x165667b1;
const STRIPE_BYTES = 16;
const LANE_BYTES = 4;

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));
const round = (lane: number, input: number): number =>
  Math.imul(rotate((lane + Math.imul(input, PRIME_2)) | 0, 13), PRIME_1);

/** The hash of `bytes` as an unsigned number. */
export function xxh32(bytes: Uint8Array, seed: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (offset: number): number => view.getUint32(offset, true);
  let offset = 0;
  let hash = (seed + PRIME_5) | 0;
  if (bytes.length >= STRIPE_BYTES) {
    let [a, b, c, d] = [seed + PRIME_1 + PRIME_2, seed + PRIME_2, seed, seed - PRIME_1] as const;
    for (; offset + STRIPE_BYTES <= bytes.length; offset += STRIPE_BYTES) {
      a = round(a, word(offset));
      b = round(b, word(offset + LANE_BYTES));
      c = round(c, word(offset + 2 * LANE_BYTES));
      d = round(d, word(offset + 3 * LANE_BYTES));
    }
    hash = (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0;
  }
  hash = (hash + bytes.length) | 0;
  for (; offset + LANE_BYTES <= bytes.length; offset += LANE_BYTES) {
    hash = Math.imul(rotate((hash + Math.imul(word(offset), PRIME_3)) | 0, 17), PRIME_4);
  }
  for (; offset < bytes.length; offset++) {
    hash = Math.imul(rotate((hash + Math.imul(bytes[offset] ?? 0, PRIME_5)) | 0, 11), PRIME_1);
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2);
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * SHA-256 (FIPS 180-4), for the few blocks that are checked before the kernel is asked to check the rest.
 */

export const DIGEST_SIZE: i32 = 32;

const BLOCK_SIZE: i32 = 64;
const LENGTH_OFFSET: i32 = 56;
const ROUNDS: i32 = 64;

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes (section 4.2.2). */
// prettier-ignore
const K: StaticArray<u32> = [
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

/** The first 32 bits of the fractional parts of the square roots of the first 8 primes (section 5.3.3). */
const INITIAL: StaticArray<u32> = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

const state = memory.data(32);
const schedule = memory.data(256);
const pending = memory.data(64);
let pendingLength: i32 = 0;
let total: u64 = 0;

export function sha256Begin(): void {
  for (let i = 0; i < 8; i++) store<u32>(state + i * 4, unchecked(INITIAL[i]));
  pendingLength = 0;
  total = 0;
}

export function sha256Update(start: usize, length: i32): void {
  total += length;
  let from = start;
  let left = length;
  while (left > 0) {
    const part = min(left, BLOCK_SIZE - pendingLength);
    memory.copy(pending + pendingLength, from, part);
    pendingLength += part;
    from += part;
    left -= part;
    if (pendingLength == BLOCK_SIZE) compress();
  }
}

/** Puts the 32 bytes of the digest at `output`. */
export function sha256End(output: usize): void {
  const bits = total * 8;
  store<u8>(pending + pendingLength++, 0x80);
  if (pendingLength > LENGTH_OFFSET) {
    memory.fill(pending + pendingLength, 0, BLOCK_SIZE - pendingLength);
    compress();
  }
  memory.fill(pending + pendingLength, 0, LENGTH_OFFSET - pendingLength);
  store<u64>(pending + LENGTH_OFFSET, bswap(bits));
  compress();
  for (let i = 0; i < DIGEST_SIZE; i += 4) store<u32>(output + i, bswap(load<u32>(state + i)));
}

function compress(): void {
  pendingLength = 0;
  for (let i = 0; i < 16; i++) store<u32>(schedule + i * 4, bswap(load<u32>(pending + i * 4)));
  for (let i = 16; i < ROUNDS; i++) {
    const w15 = load<u32>(schedule + (i - 15) * 4);
    const w2 = load<u32>(schedule + (i - 2) * 4);
    const s0 = rotr(w15, 7) ^ rotr(w15, 18) ^ (w15 >> 3);
    const s1 = rotr(w2, 17) ^ rotr(w2, 19) ^ (w2 >> 10);
    store<u32>(schedule + i * 4, load<u32>(schedule + (i - 16) * 4) + s0 + load<u32>(schedule + (i - 7) * 4) + s1);
  }
  let a = load<u32>(state, 0);
  let b = load<u32>(state, 4);
  let c = load<u32>(state, 8);
  let d = load<u32>(state, 12);
  let e = load<u32>(state, 16);
  let f = load<u32>(state, 20);
  let g = load<u32>(state, 24);
  let h = load<u32>(state, 28);
  for (let i = 0; i < ROUNDS; i++) {
    const sum1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25);
    const choice = (e & f) ^ (~e & g);
    const first = h + sum1 + choice + unchecked(K[i]) + load<u32>(schedule + i * 4);
    const sum0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    h = g;
    g = f;
    f = e;
    e = d + first;
    d = c;
    c = b;
    b = a;
    a = first + sum0 + majority;
  }
  add(0, a);
  add(4, b);
  add(8, c);
  add(12, d);
  add(16, e);
  add(20, f);
  add(24, g);
  add(28, h);
}

@inline
function add(offset: usize, value: u32): void {
  store<u32>(state + offset, load<u32>(state + offset) + value);
}

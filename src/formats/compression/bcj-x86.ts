/** `call` and `jmp` with a 32-bit operand differ in the lowest bit only. */
const CALL_OR_JUMP = 0xe8;
const INSTRUCTION_BYTES = 5;
/** By which of the last three bytes looked like the start of an instruction: whether this byte can be one, too. */
const ALLOWED = [true, true, true, false, true, false, false, false] as const;
/** By the same: how many bits of the operand the youngest of them leaves. */
const BYTES_OF = [0, 1, 2, 2, 3, 3, 3, 3] as const;

/**
 * Undoes the filter x86 of .xz in place: where programs call absolute addresses, they get back relative ones. As in
 * the kernel's own decoder (lib/xz/xz_dec_bcj.c), whose way to recognise instructions is what defines the format.
 */
export function decodeX86Filter(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let previous = -1;
  let mask = 0;
  for (let at = 0; at + INSTRUCTION_BYTES <= bytes.length; at++) {
    if (((bytes[at] ?? 0) & 0xfe) !== CALL_OR_JUMP) continue;
    const distance = at - previous;
    previous = at;
    mask = distance > 3 ? 0 : (mask << (distance - 1)) & 7;
    if (mask !== 0 && (!ALLOWED[mask] || isEnd(bytes[at + 4 - (BYTES_OF[mask] ?? 0)] ?? 0))) {
      mask = (mask << 1) | 1;
      continue;
    }
    if (!isEnd(bytes[at + 4] ?? 0)) {
      mask = (mask << 1) | 1;
      continue;
    }
    view.setUint32(at + 1, relative(view.getUint32(at + 1, true), at + INSTRUCTION_BYTES, mask), true);
    at += INSTRUCTION_BYTES - 1;
  }
}

/** The relative operand of an instruction before `next`. */
function relative(absolute: number, next: number, mask: number): number {
  let source = absolute;
  for (;;) {
    const target = (source - next) >>> 0;
    const bits = (BYTES_OF[mask] ?? 0) * 8;
    if (mask === 0 || !isEnd((target >>> (24 - bits)) & 0xff)) {
      const low = target & 0x01ff_ffff;
      return (low & 0x0100_0000) === 0 ? low : (low | 0xfe00_0000) >>> 0;
    }
    source = (target ^ (2 ** (32 - bits) - 1)) >>> 0;
  }
}

/** Whether an operand that ends so leads somewhere near. */
function isEnd(byte: number): boolean {
  return byte === 0x00 || byte === 0xff;
}

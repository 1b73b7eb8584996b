const CHECKSUM_BYTES = 4;
const WORD_BITS = 16;
const WORD_MASK = 0xffff;

/**
 * The CheckSum of a PE file, its own field taken as zero: the one's complement sum of all 16-bit words plus the file's
 * length. Firmware does not look at it; signing tools write it.
 * @param checksumOffset where the field stands, an even number as in every PE file
 */
export function peChecksum(program: Uint8Array, checksumOffset: number): number {
  const view = new DataView(program.buffer, program.byteOffset, program.length);
  let sum = 0;
  // Below 2^53 for every file that a PE header can describe, so it is folded only once.
  for (let offset = 0; offset + 1 < program.length; offset += 2) sum += view.getUint16(offset, true);
  if (program.length % 2 === 1) sum += program.at(-1) ?? 0;
  for (let offset = checksumOffset; offset < checksumOffset + CHECKSUM_BYTES; offset += 2) {
    sum -= view.getUint16(offset, true);
  }
  while (sum > WORD_MASK) sum = (sum % (WORD_MASK + 1)) + Math.floor(sum / 2 ** WORD_BITS);
  return (sum + program.length) % 2 ** 32;
}

/** Writes the checksum into its place. */
export function setChecksum(program: Uint8Array, checksumOffset: number): void {
  const view = new DataView(program.buffer, program.byteOffset, program.length);
  view.setUint32(checksumOffset, peChecksum(program, checksumOffset), true);
}

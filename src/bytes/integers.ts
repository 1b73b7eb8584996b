import { FormatError } from "./errors.ts";

/**
 * A u64 from disk as a number.
 * @throws FormatError when the value is above 2^53 - 1: no offset or size that lazyrd can handle is that large.
 */
export function toSafeNumber(value: bigint, where: { format: string; field: string; offset?: number }): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new FormatError(`Cannot use a value of 0x${value.toString(16)}: expected at most 2^53 - 1`, where);
  }
  return Number(value);
}

/** `value` rounded up to a multiple of `alignment` (any positive integer). */
export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

/** How many units of `unit` hold `value`: division rounded up. */
export function divideUp(value: number, unit: number): number {
  return Math.ceil(value / unit);
}

export function isPowerOfTwo(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0 && 2 ** Math.round(Math.log2(value)) === value;
}

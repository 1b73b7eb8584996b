import { FormatError, toText } from "../../bytes/index.ts";
import type { Device } from "../../tree/index.ts";
import { DEVICE_MAJOR_BITS, DEVICE_MINOR_BITS, DEVICE_MINOR_LOW_BITS, FORMAT } from "./layout.ts";

const LOW_MASK = 2 ** DEVICE_MINOR_LOW_BITS - 1;
const MAJOR_MASK = 2 ** DEVICE_MAJOR_BITS - 1;

/**
 * A device number as i_u holds it (new_encode_dev in linux/kdev_t.h).
 * @throws FormatError when major or minor is larger than Linux allows.
 */
export function encodeDevice(device: Pick<Device, "major" | "minor">, path: string): number {
  const { major, minor } = device;
  if (!fits(major, DEVICE_MAJOR_BITS) || !fits(minor, DEVICE_MINOR_BITS)) {
    const limits = `major below 2^${DEVICE_MAJOR_BITS} and minor below 2^${DEVICE_MINOR_BITS}`;
    throw new FormatError(`Cannot write /${toText(path)}: expected ${limits}, got ${major}:${minor}`, {
      format: FORMAT,
    });
  }
  return ((minor & LOW_MASK) | (major << DEVICE_MINOR_LOW_BITS) | ((minor & ~LOW_MASK) << DEVICE_MAJOR_BITS)) >>> 0;
}

/** The device number that i_u holds (new_decode_dev). */
export function decodeDevice(union: number): { major: number; minor: number } {
  return {
    major: (union >>> DEVICE_MINOR_LOW_BITS) & MAJOR_MASK,
    minor: (union & LOW_MASK) | ((union >>> DEVICE_MAJOR_BITS) & ~LOW_MASK),
  };
}

function fits(value: number, bits: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 2 ** bits;
}

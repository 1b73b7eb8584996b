import { byteStringBytes, FormatError, hex } from "../../bytes/index.ts";
import { BOOTCONFIG_MAGIC, MAX_BOOTCONFIG_BYTES, MAX_BOOTCONFIG_PADDING } from "./layout.ts";

/** Kernel parameters that are appended to the initrd. */
export interface Bootconfig {
  /** Where it starts in the buffer: the initrd itself ends here. */
  readonly offset: number;
  /** The configuration, without its padding. */
  readonly text: Uint8Array;
}

const MAGIC = byteStringBytes(BOOTCONFIG_MAGIC);
/** Size and checksum, u32 each, little-endian, in front of the magic. */
const FOOTER_SIZE = 8;

/**
 * The bootconfig at the end of an initrd, or undefined (get_boot_config_from_initrd of init/main.c).
 * @throws FormatError when there is one whose size or checksum is wrong: the kernel would then take it for a segment.
 */
export function findBootconfig(bytes: Uint8Array): Bootconfig | undefined {
  for (let padding = 0; padding <= MAX_BOOTCONFIG_PADDING; padding++) {
    const magicOffset = bytes.length - padding - MAGIC.length;
    if (magicOffset < FOOTER_SIZE || MAGIC.some((byte, index) => bytes[magicOffset + index] !== byte)) continue;
    return parseFooter(bytes, magicOffset - FOOTER_SIZE);
  }
  return undefined;
}

function parseFooter(bytes: Uint8Array, footerOffset: number): Bootconfig {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = view.getUint32(footerOffset, true);
  const checksum = view.getUint32(footerOffset + 4, true);
  const at = { format: "bootconfig", offset: footerOffset };
  if (size > MAX_BOOTCONFIG_BYTES || size > footerOffset) {
    const most = Math.min(MAX_BOOTCONFIG_BYTES, footerOffset);
    throw new FormatError(`Cannot use a bootconfig of ${size} bytes: expected at most ${most}`, {
      ...at,
      field: "size",
    });
  }
  const padded = bytes.subarray(footerOffset - size, footerOffset);
  let sum = 0;
  for (const byte of padded) sum += byte;
  if (sum !== checksum) {
    const message = `Cannot use the bootconfig: expected bytes that add up to ${hex(checksum)}, got ${hex(sum)}`;
    throw new FormatError(message, { ...at, field: "checksum" });
  }
  const end = padded.indexOf(0);
  return { offset: footerOffset - size, text: end < 0 ? padded : padded.subarray(0, end) };
}

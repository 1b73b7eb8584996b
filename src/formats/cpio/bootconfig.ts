import { type ByteSource, byteStringBytes, FormatError, hex } from "../../bytes/index.ts";
import { BOOTCONFIG_MAGIC, MAX_BOOTCONFIG_BYTES, MAX_BOOTCONFIG_PADDING } from "./layout.ts";

/** Kernel parameters that are appended to the initrd. */
export interface Bootconfig {
  /** Where it starts: the initrd itself ends here. */
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
export function findBootconfig(initrd: ByteSource): Bootconfig | undefined {
  const end = initrd.read(...lastBytes(initrd.size, MAX_BOOTCONFIG_PADDING + MAGIC.length));
  for (let padding = 0; padding <= MAX_BOOTCONFIG_PADDING; padding++) {
    const at = end.length - padding - MAGIC.length;
    const footerOffset = initrd.size - padding - MAGIC.length - FOOTER_SIZE;
    if (footerOffset < 0 || MAGIC.some((byte, index) => end[at + index] !== byte)) continue;
    return parseFooter(initrd, footerOffset);
  }
  return undefined;
}

/** The range of the last `most` bytes of `size`, or of all of them. */
function lastBytes(size: number, most: number): [offset: number, length: number] {
  const length = Math.min(size, most);
  return [size - length, length];
}

function parseFooter(initrd: ByteSource, footerOffset: number): Bootconfig {
  const footer = initrd.read(footerOffset, FOOTER_SIZE);
  const view = new DataView(footer.buffer, footer.byteOffset, FOOTER_SIZE);
  const size = view.getUint32(0, true);
  const checksum = view.getUint32(4, true);
  const at = { format: "bootconfig", offset: footerOffset };
  if (size > MAX_BOOTCONFIG_BYTES || size > footerOffset) {
    const most = Math.min(MAX_BOOTCONFIG_BYTES, footerOffset);
    throw new FormatError(`Cannot use a bootconfig of ${size} bytes: expected at most ${most}`, {
      ...at,
      field: "size",
    });
  }
  const padded = initrd.read(footerOffset - size, size);
  let sum = 0;
  for (const byte of padded) sum += byte;
  if (sum !== checksum) {
    const message = `Cannot use the bootconfig: expected bytes that add up to ${hex(checksum)}, got ${hex(sum)}`;
    throw new FormatError(message, { ...at, field: "checksum" });
  }
  const end = padded.indexOf(0);
  return { offset: footerOffset - size, text: end < 0 ? padded : padded.subarray(0, end) };
}

import { FormatError } from "./errors.ts";

/** A GUID in its text form, lower case: `c12a7328-f81f-11d2-ba4b-00a0c93ec93b`. */
export type Guid = string;

export const GUID_SIZE = 16;
export const NIL_GUID: Guid = "00000000-0000-0000-0000-000000000000";

const GUID_TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Where each byte of the text form stands on disk: EFI keeps the first three fields little-endian and the last
 * two as written (UEFI 2.10, appendix A).
 */
const EFI_BYTE_ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15] as const;

/** 16 bytes in the order of the text form (RFC 9562) to text. */
export function guidFromTextOrder(bytes: Uint8Array): Guid {
  checkSize(bytes);
  const digits = Buffer.from(bytes).toString("hex");
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join(
    "-",
  );
}

/** @throws FormatError when `text` is not a GUID. Upper case is accepted. */
export function guidToTextOrder(text: Guid): Uint8Array {
  const lower = text.toLowerCase();
  if (!GUID_TEXT.test(lower)) {
    throw new FormatError(`Cannot read ${JSON.stringify(text)}: expected xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, {
      format: "guid",
    });
  }
  return new Uint8Array(Buffer.from(lower.replaceAll("-", ""), "hex"));
}

/** 16 bytes as EFI structures hold them (mixed-endian) to text. */
export function guidFromEfi(bytes: Uint8Array): Guid {
  checkSize(bytes);
  return guidFromTextOrder(Uint8Array.from(EFI_BYTE_ORDER, (from) => bytes[from] ?? 0));
}

/** Text to the 16 bytes that EFI structures hold. */
export function guidToEfi(text: Guid): Uint8Array {
  const bytes = guidToTextOrder(text);
  return Uint8Array.from(EFI_BYTE_ORDER, (from) => bytes[from] ?? 0);
}

const VERSION_OCTET = 6;
const VERSION_BITS = 0xf0;
const VARIANT_OCTET = 8;
const VARIANT_BITS = 0xc0;
/** RFC 9562, sections 4.1 and 5.8: the variant of that document, and version 8, "custom". */
const RFC_VARIANT = 0x80;
const CUSTOM_VERSION = 0x80;

/** A GUID of 16 bytes that were computed (a part of a digest), marked as such: version 8 of RFC 9562. */
export function customGuid(digest: Uint8Array): Guid {
  checkSize(digest);
  return guidFromTextOrder(
    digest.map((octet, index) => {
      if (index === VERSION_OCTET) return (octet & ~VERSION_BITS) | CUSTOM_VERSION;
      return index === VARIANT_OCTET ? (octet & ~VARIANT_BITS) | RFC_VARIANT : octet;
    }),
  );
}

function checkSize(bytes: Uint8Array): void {
  if (bytes.length !== GUID_SIZE) throw new RangeError(`A GUID has ${GUID_SIZE} bytes, got ${bytes.length}`);
}

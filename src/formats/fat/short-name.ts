import { SHORT_BASE_BYTES, SHORT_EXTENSION_BYTES, SHORT_NAME_BYTES } from "./layout.ts";

const SHORT_CHARACTERS = "A-Z0-9$%'\\-_@~`!(){}^#&";
const SHORT_NAME = new RegExp(`^[${SHORT_CHARACTERS}]{1,8}(?:\\.[${SHORT_CHARACTERS}]{1,3})?$`);
const NOT_SHORT = new RegExp(`[^${SHORT_CHARACTERS}]`, "g");
const REPLACEMENT = "_";

/** Upper case as FAT compares names: unit by unit, so that no name changes its length. */
export function upperCase(name: string): string {
  return Array.from({ length: name.length }, (_, index) => {
    const unit = name.charAt(index);
    const upper = unit.toUpperCase();
    return upper.length === 1 ? upper : unit;
  }).join("");
}

/** Whether this is a short name as it stands: nothing is lost without a long one. */
export function isShortName(name: string): boolean {
  return SHORT_NAME.test(name);
}

/**
 * Gives out the short names of one directory (fatgen103, "The Basis-Name Generation Algorithm" and "The Numeric-Tail
 * Generation Algorithm"). Those that are given by a name itself have to be asked for before those with a tail.
 */
export class ShortNames {
  readonly #taken = new Set<string>();
  /** By basis, the number to try next: thousands of alike names would otherwise be tried from 1 each. */
  readonly #nextTail = new Map<string, number>();

  /** The name itself, in upper case, where that is a short name; undefined where it needs a tail. */
  own(name: string): string | undefined {
    const upper = upperCase(name);
    if (!isShortName(upper)) return undefined;
    this.#taken.add(upper);
    return upper;
  }

  /** `LONGNA~1.TXT` for what is none. */
  withTail(name: string): string {
    // The last unit is neither a dot nor a space: names that end so are refused before.
    const compact = upperCase(name).replace(/ /g, "").replace(/^\.+/, "");
    const dot = compact.lastIndexOf(".");
    const base = (dot < 0 ? compact : compact.slice(0, dot)).replace(/\./g, "").replace(NOT_SHORT, REPLACEMENT);
    const extension = dot < 0 ? "" : compact.slice(dot + 1).replace(NOT_SHORT, REPLACEMENT);
    const end = extension === "" ? "" : `.${extension.slice(0, SHORT_EXTENSION_BYTES)}`;
    const basis = `${base.slice(0, SHORT_BASE_BYTES)}${end}`;
    for (let number = this.#nextTail.get(basis) ?? 1; ; number++) {
      const tail = `~${number}`;
      const candidate = `${base.slice(0, SHORT_BASE_BYTES - tail.length)}${tail}${end}`;
      if (this.#taken.has(candidate)) continue;
      this.#taken.add(candidate);
      this.#nextTail.set(basis, number + 1);
      return candidate;
    }
  }
}

const SPACE = 0x20;

/** A short name as a directory entry holds it: `NAME    EXT`. "." and ".." stay what they are. */
export function encodeShortName(name: string): Uint8Array {
  const bytes = new Uint8Array(SHORT_NAME_BYTES).fill(SPACE);
  const dot = name.startsWith(".") ? -1 : name.lastIndexOf(".");
  const [base, extension] = dot < 0 ? [name, ""] : [name.slice(0, dot), name.slice(dot + 1)];
  bytes.set(Buffer.from(base, "latin1"));
  bytes.set(Buffer.from(extension, "latin1"), SHORT_BASE_BYTES);
  return bytes;
}

/** Code page 437 from 0x80 on: what Linux takes short names for where nothing else is said. */
const CODE_PAGE_437 =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";
const FIRST_HIGH_BYTE = 0x80;

/** Bytes of a short name or label as text, without the spaces that pad them. */
export function decodeOem(bytes: Uint8Array): string {
  const text = Array.from(bytes, (byte) =>
    byte < FIRST_HIGH_BYTE ? String.fromCharCode(byte) : CODE_PAGE_437.charAt(byte - FIRST_HIGH_BYTE),
  ).join("");
  return text.replace(/ +$/, "");
}

/** `NAME    EXT` as `NAME.EXT`. */
export function decodeShortName(
  bytes: Uint8Array,
  lower: { readonly base: boolean; readonly extension: boolean },
): string {
  const inCase = (text: string, isLower: boolean): string => (isLower ? text.toLowerCase() : text);
  const base = inCase(decodeOem(bytes.subarray(0, SHORT_BASE_BYTES)), lower.base);
  const extension = inCase(decodeOem(bytes.subarray(SHORT_BASE_BYTES)), lower.extension);
  return extension === "" ? base : `${base}.${extension}`;
}

/** The checksum that ties long name entries to their short one (fatgen103, "ChkSum"). */
export function shortNameChecksum(shortName: Uint8Array): number {
  return shortName.reduce((sum, byte) => (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff, 0);
}

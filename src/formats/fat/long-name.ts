import { ATTRIBUTE_LONG_NAME, LAST_LONG_ENTRY, LongNameEntry, UNITS_PER_LONG_ENTRY } from "./layout.ts";

const UNIT_BYTES = 2;
const PART_BYTES = UNITS_PER_LONG_ENTRY * UNIT_BYTES;
/** What follows the NUL behind the name. */
const FILLER = 0xff;

/** How many entries a long name takes. */
export function longEntryCount(name: string): number {
  return Math.ceil(name.length / UNITS_PER_LONG_ENTRY);
}

/** The entries of a long name in the order in which they stand on disk: the last part first. */
export function encodeLongName(name: string, checksum: number): Uint8Array {
  const count = longEntryCount(name);
  const units = new Uint8Array(count * PART_BYTES).fill(FILLER);
  const text = Buffer.from(name, "utf16le");
  units.set(text);
  // Only a name that does not fill its last part has a NUL.
  if (text.length < units.length) units.fill(0, text.length, text.length + UNIT_BYTES);

  const entries = new Uint8Array(count * LongNameEntry.size);
  for (let part = 0; part < count; part++) {
    const { LDIR_Name1, LDIR_Name2, LDIR_Name3 } = LongNameEntry.fields;
    const start = part * PART_BYTES;
    const second = start + LDIR_Name1.size;
    const third = second + LDIR_Name2.size;
    LongNameEntry.write(entries, (count - 1 - part) * LongNameEntry.size, {
      LDIR_Ord: (part + 1) | (part === count - 1 ? LAST_LONG_ENTRY : 0),
      LDIR_Attr: ATTRIBUTE_LONG_NAME,
      LDIR_Chksum: checksum,
      LDIR_Name1: units.subarray(start, second),
      LDIR_Name2: units.subarray(second, third),
      LDIR_Name3: units.subarray(third, third + LDIR_Name3.size),
    });
  }
  return entries;
}

/** Puts a long name together from the entries in front of a short one. */
export class LongNameReader {
  #parts: Uint8Array[] = [];
  #expected = 0;
  #checksum = 0;

  /** Takes the next entry in the order of the disk; says whether it follows the one before. */
  add(entry: Uint8Array): boolean {
    const { LDIR_Ord, LDIR_Chksum, LDIR_Name1, LDIR_Name2, LDIR_Name3 } = LongNameEntry.parse(entry);
    const isFirst = (LDIR_Ord & LAST_LONG_ENTRY) !== 0;
    if (isFirst) {
      this.#parts = [];
      this.#expected = LDIR_Ord & ~LAST_LONG_ENTRY;
      this.#checksum = LDIR_Chksum;
    }
    const order = LDIR_Ord & ~LAST_LONG_ENTRY;
    if (order === 0 || order !== this.#expected || LDIR_Chksum !== this.#checksum) {
      this.clear();
      return false;
    }
    this.#expected--;
    this.#parts.unshift(Buffer.concat([LDIR_Name1, LDIR_Name2, LDIR_Name3]));
    return true;
  }

  /** Whether entries were taken whose short one has not come yet. */
  get isPending(): boolean {
    return this.#parts.length > 0;
  }

  /** The name, if all of its parts were there and it belongs to this short name. */
  take(checksum: number): string | undefined {
    const isComplete = this.isPending && this.#expected === 0 && this.#checksum === checksum;
    const text = isComplete ? Buffer.concat(this.#parts).toString("utf16le") : "";
    this.clear();
    const name = text.split("\0", 1)[0] ?? "";
    return name === "" ? undefined : name;
  }

  clear(): void {
    this.#parts = [];
    this.#expected = 0;
  }
}

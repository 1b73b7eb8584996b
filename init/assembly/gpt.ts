import * as kernel from "./kernel";
import { hexDigit, Text, Writer } from "./text";

// UEFI 2.10, section 5.3.2 (header) and 5.3.3 (entry)
const SIGNATURE: u64 = 0x5452415020494645; // "EFI PART"
const HEADER_SIZE: usize = 12;
const ENTRY_ARRAY_LBA: usize = 72;
const ENTRY_COUNT: usize = 80;
const ENTRY_SIZE: usize = 84;
const ENTRY_UNIQUE_GUID: usize = 16;
const SMALLEST_HEADER: u32 = 92;
const SMALLEST_ENTRY: u32 = 128;

/** Linux uses no more entries than this either in practice; a table that claims more is not believed. */
const MOST_ENTRIES: u32 = 1024;
const LARGEST_ENTRY: u32 = 4096;

const LAST_ASCII: u16 = 0x7e;
const GUID_SIZE: i32 = 16;
export const GUID_TEXT_SIZE: i32 = 36;
const SMALLEST_SECTOR: i32 = 512;
const LARGEST_SECTOR: i32 = 4096;

const READ_SIZE: i32 = 4096;

const LABEL_CHARACTERS: i32 = 36;
const TYPE_GUID: usize = 0;
const ENTRY_LABEL: usize = 56;

const header = memory.data(512);
const entries = memory.data(READ_SIZE);

/**
 * Walks the partitions of one disk at a time.
 *
 * The checksums are not looked at: the kernel did that before it made the partitions' nodes, and what is read through
 * these is verified anyway.
 */
@final
export class PartitionTable {
  private disk: i32 = -1;
  private start: i64 = 0;
  private count: u32 = 0;
  private size: u32 = 0;
  private entry: usize = 0;
  /** Of the partition that `next` came to, from 1. */
  number: i32 = 0;

  /** Begins with an opened disk; false when it has no GPT. */
  open(disk: i32): bool {
    this.disk = disk;
    this.number = 0;
    for (let sectorSize = SMALLEST_SECTOR; sectorSize <= LARGEST_SECTOR; sectorSize *= 2) {
      if (kernel.pread(disk, header, 512, sectorSize) != 512) return false;
      if (load<u64>(header) != SIGNATURE || load<u32>(header + HEADER_SIZE) < SMALLEST_HEADER) continue;
      this.count = load<u32>(header + ENTRY_COUNT);
      this.size = load<u32>(header + ENTRY_SIZE);
      this.start = load<i64>(header + ENTRY_ARRAY_LBA) * sectorSize;
      return this.count <= MOST_ENTRIES && this.size >= SMALLEST_ENTRY && this.size <= LARGEST_ENTRY;
    }
    return false;
  }

  /** Goes to the next entry, used or not; false at the end, and where the table cannot be read. */
  next(): bool {
    const index = <u32>this.number;
    if (index == this.count) return false;
    const place = index % (<u32>READ_SIZE / this.size);
    const offset = this.start + <i64>index * this.size;
    if (place == 0 && kernel.pread(this.disk, entries, READ_SIZE, offset) < <i32>this.size) return false;
    this.entry = entries + place * this.size;
    this.number++;
    return true;
  }

  hasType(guid: usize): bool {
    return memory.compare(this.entry + TYPE_GUID, guid, GUID_SIZE) == 0;
  }

  hasGuid(guid: usize): bool {
    return memory.compare(this.entry + ENTRY_UNIQUE_GUID, guid, GUID_SIZE) == 0;
  }

  /** Labels are UTF-16; one with other characters than ASCII's is none that a plan can name. */
  hasLabel(text: Text): bool {
    if (text.length > LABEL_CHARACTERS) return false;
    for (let i = 0; i < LABEL_CHARACTERS; i++) {
      if (load<u16>(this.entry + (<usize>i << 1), ENTRY_LABEL) != <u16>text.at(i)) return false;
      if (i >= text.length) return true;
    }
    return true;
  }

  /** Writes the label behind what is in `output`; nothing when it has other characters than ASCII's. */
  writeLabel(output: Writer): void {
    const before = output.length;
    for (let i = 0; i < LABEL_CHARACTERS; i++) {
      const unit = load<u16>(this.entry + (<usize>i << 1), ENTRY_LABEL);
      if (unit == 0) return;
      if (unit > LAST_ASCII) {
        output.truncate(before);
        return;
      }
      output.byte(<u8>unit);
    }
  }
}

/** Where each byte of a GUID's text stands on disk: three little-endian fields, then bytes as written. */
const DISK_ORDER: StaticArray<i32> = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/** Puts the 16 bytes, as on disk, of a GUID's text at `output`; false when it is not the text of one. */
export function parseGuid(text: Text, output: usize): bool {
  if (text.length != GUID_TEXT_SIZE) return false;
  let digits = 0;
  for (let i = 0; i < GUID_TEXT_SIZE; i++) {
    const dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash != (text.at(i) == 0x2d) || (!dash && !putDigit(text.at(i), digits++, output))) return false;
  }
  return true;
}

/** The same for the 32 digits of a GUID without its dashes. */
export function guidFromDigits(digits: Text, output: usize): void {
  for (let i = 0; i < 2 * GUID_SIZE; i++) putDigit(digits.at(i), i, output);
}

/** Puts the digit `index` of a GUID to its place; false when it is none. */
function putDigit(digit: u8, index: i32, output: usize): bool {
  const value = hexDigit(digit);
  const place = output + unchecked(DISK_ORDER[index >> 1]);
  store<u8>(place, (index & 1) == 0 ? value << 4 : load<u8>(place) | value);
  return value >= 0;
}

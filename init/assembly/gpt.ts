import * as kernel from "./kernel";
import { hexDigit, Text } from "./text";

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

const GUID_SIZE: i32 = 16;
const GUID_TEXT_SIZE: i32 = 36;
const SMALLEST_SECTOR: i32 = 512;
const LARGEST_SECTOR: i32 = 4096;

const READ_SIZE: i32 = 4096;

const header = memory.data(512);
const entries = memory.data(READ_SIZE);

/**
 * The number, from 1, of the partition whose unique GUID is `guid` on an opened disk; 0 when there is none, -1
 * when the disk has no GPT.
 *
 * The checksums are not looked at: the kernel did that before it made the partition's node, and what is read
 * through that node is verified anyway.
 */
export function partitionByGuid(disk: i32, guid: usize): i32 {
  for (let sectorSize = SMALLEST_SECTOR; sectorSize <= LARGEST_SECTOR; sectorSize *= 2) {
    if (kernel.pread(disk, header, 512, sectorSize) != 512) return -1;
    if (load<u64>(header) != SIGNATURE || load<u32>(header + HEADER_SIZE) < SMALLEST_HEADER) continue;
    const count = load<u32>(header + ENTRY_COUNT);
    const size = load<u32>(header + ENTRY_SIZE);
    if (count > MOST_ENTRIES || size < SMALLEST_ENTRY || size > LARGEST_ENTRY) return -1;
    const start = load<i64>(header + ENTRY_ARRAY_LBA) * sectorSize;
    const perRead = <u32>READ_SIZE / size;
    for (let i: u32 = 0; i < count; i++) {
      const place = i % perRead;
      if (place == 0 && kernel.pread(disk, entries, READ_SIZE, start + <i64>i * size) < <i32>size) return 0;
      if (memory.compare(entries + place * size + ENTRY_UNIQUE_GUID, guid, GUID_SIZE) == 0) return i + 1;
    }
    return 0;
  }
  return -1;
}

/** Where each byte of a GUID's text stands on disk: three little-endian fields, then bytes as written. */
const DISK_ORDER: StaticArray<i32> = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/** Puts the 16 bytes, as on disk, of a GUID's text at `output`; false when it is not the text of one. */
export function parseGuid(text: Text, output: usize): bool {
  if (text.length != GUID_TEXT_SIZE) return false;
  let digits = 0;
  for (let i = 0; i < GUID_TEXT_SIZE; i++) {
    const dash = i == 8 || i == 13 || i == 18 || i == 23;
    const value = hexDigit(text.at(i));
    if (dash != (text.at(i) == 0x2d) || (!dash && value < 0)) return false;
    if (dash) continue;
    const place = output + unchecked(DISK_ORDER[digits >> 1]);
    store<u8>(place, (digits & 1) == 0 ? value << 4 : load<u8>(place) | value);
    digits++;
  }
  return true;
}

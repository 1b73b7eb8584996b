import { alignUp, FormatError, hex, isPowerOfTwo, MemorySource } from "../../bytes/index.ts";
import { setChecksum } from "./checksum.ts";
import {
  CERTIFICATE_DIRECTORY,
  DataDirectory,
  DEBUG_DIRECTORY,
  FileHeader,
  FORMAT,
  MAX_SECTIONS,
  NX_COMPATIBLE,
  OptionalHeader32,
  OptionalHeader64,
  SECTION_CODE,
  SECTION_INITIALIZED,
  SECTION_READABLE,
  SectionHeader,
} from "./layout.ts";
import { type PeImage, type PeSection, readPe } from "./read.ts";

/** A section to be added, read-only in memory. */
export interface NewSection {
  /** At most 8 bytes, ASCII. */
  readonly name: string;
  readonly content: Uint8Array;
  readonly kind: "code" | "data";
}

export interface SectionChanges {
  /** Names of sections that go. */
  readonly remove?: readonly string[] | undefined;
  /** Behind all others, in this order. */
  readonly add: readonly NewSection[];
  /** Takes back the promise that the program does without memory that is writable and executable. */
  readonly clearNxCompatible?: boolean | undefined;
}

/** New sections start on a page: memory is protected page by page. */
const PAGE_SIZE = 4096;
/** Offsets, addresses and sizes have 32 bits. */
const MAX_SIZE = 0xffff_ffff;

/** Where one section ends up, in the file and in memory. */
interface PlacedSection {
  /** Its header as it was, without the two numbers below. */
  readonly header: Uint8Array;
  readonly content: Uint8Array;
  readonly rawOffset: number;
  readonly rawSize: number;
}

/**
 * A copy of a PE file with other sections. Old ones stay where they are in memory; in the file everything is packed anew,
 * so that the section table can grow as far as memory allows. Signatures and symbols (of a debugger) are left out.
 * @throws FormatError when sections overlap, there is no room for a header, or the result would be too large.
 */
export function changeSections(program: Uint8Array, changes: SectionChanges): Uint8Array {
  const image = readPe(new MemorySource(program));
  checkAlignments(image);
  checkOverlaps(image);
  const kept = image.sections.filter(({ name }) => changes.remove?.includes(name) !== true);
  const count = kept.length + changes.add.length;
  const sizeOfHeaders = headersSize(image, kept, count);

  let rawEnd = sizeOfHeaders;
  const place = (content: Uint8Array, rawSize: number, header: Uint8Array): PlacedSection => {
    const rawOffset = rawSize === 0 ? 0 : rawEnd;
    rawEnd += rawSize;
    return { header, content, rawOffset, rawSize };
  };
  const placedOld = placeKept(program, image, kept, place);
  const start = Math.max(0, ...kept.map(endInMemory));
  let address = alignUp(start, Math.max(image.sectionAlignment, PAGE_SIZE));
  const placedNew = changes.add.map(({ name, content, kind }) => {
    const header = SectionHeader.encode({
      Name: name,
      VirtualSize: content.length,
      VirtualAddress: checkSize(address + content.length, name) - content.length,
      Characteristics: SECTION_READABLE | (kind === "code" ? SECTION_CODE : SECTION_INITIALIZED),
    });
    address = alignUp(address + content.length, Math.max(image.sectionAlignment, PAGE_SIZE));
    return place(content, alignUp(content.length, image.fileAlignment), header);
  });
  const sections = [...placedOld, ...placedNew];
  const addedBytes = changes.add.reduce((sum, { content }) => sum + content.length, 0);
  const output = new Uint8Array(checkSize(rawEnd, "the file"));
  output.set(program.subarray(0, image.offsets.sectionTable));
  writeHeaders(output, image, {
    sectionCount: count,
    sizeOfHeaders,
    sizeOfImage: alignUp(Math.max(...sections.map(({ header }) => endOfHeader(header))), image.sectionAlignment),
    addedBytes,
    clearNxCompatible: changes.clearNxCompatible === true,
  });
  for (const [index, { header, content, rawOffset, rawSize }] of sections.entries()) {
    const at = image.offsets.sectionTable + index * SectionHeader.size;
    output.set(header, at);
    SectionHeader.write(output, at, { PointerToRawData: rawOffset, SizeOfRawData: rawSize });
    output.set(content, rawOffset);
  }
  setChecksum(output, image.offsets.checksum);
  return output;
}

function checkAlignments({ fileAlignment, sectionAlignment, offsets }: PeImage): void {
  if (isPowerOfTwo(fileAlignment) && isPowerOfTwo(sectionAlignment) && sectionAlignment <= MAX_SIZE / 2) return;
  fail(
    `Cannot add sections: expected powers of two, got file alignment ${fileAlignment} and section alignment ${sectionAlignment}`,
    offsets.optionalHeader,
    "FileAlignment",
  );
}

/** @throws FormatError when two sections share bytes in the file or in memory: such a file has no one content. */
function checkOverlaps({ sections, sizeOfHeaders, offsets }: PeImage): void {
  const spans = [
    { what: "in memory", start: (s: PeSection) => s.virtualAddress, size: (s: PeSection) => s.virtualSize },
    { what: "in the file", start: (s: PeSection) => s.rawOffset, size: (s: PeSection) => s.rawSize },
  ];
  for (const { what, start, size } of spans) {
    let end = sizeOfHeaders;
    let before = "the headers";
    for (const section of sections.filter((s) => size(s) > 0).sort((a, b) => start(a) - start(b))) {
      if (start(section) < end) {
        const names = `${before} and section ${JSON.stringify(section.name)}`;
        fail(`Cannot add sections: ${names} overlap ${what} at ${hex(start(section))}`, offsets.sectionTable);
      }
      end = start(section) + size(section);
      before = `section ${JSON.stringify(section.name)}`;
    }
  }
}

/** The headers are mapped too: they can grow up to the first section's address. */
function headersSize(image: PeImage, kept: readonly PeSection[], count: number): number {
  const { sectionTable } = image.offsets;
  if (count > MAX_SECTIONS) fail(`Cannot write ${count} sections: expected at most ${MAX_SECTIONS}`, sectionTable);
  const needed = alignUp(sectionTable + count * SectionHeader.size, image.fileAlignment);
  const most = Math.min(...kept.map(({ virtualAddress }) => virtualAddress), MAX_SIZE);
  if (needed <= image.sizeOfHeaders) return image.sizeOfHeaders;
  if (needed <= most) return needed;
  const room = Math.max(0, Math.floor((Math.max(most, image.sizeOfHeaders) - sectionTable) / SectionHeader.size));
  return fail(
    `Cannot write ${count} sections: the header has room for ${room}; take another stub, or fewer sections`,
    sectionTable,
    "SizeOfHeaders",
  );
}

function placeKept(
  program: Uint8Array,
  image: PeImage,
  kept: readonly PeSection[],
  place: (content: Uint8Array, rawSize: number, header: Uint8Array) => PlacedSection,
): PlacedSection[] {
  const inFileOrder = [...kept].sort((a, b) => a.rawOffset - b.rawOffset);
  const placed = new Map(
    inFileOrder.map((section) => {
      const { rawOffset, rawSize } = section;
      const at = image.offsets.sectionTable + image.sections.indexOf(section) * SectionHeader.size;
      const content = program.subarray(rawOffset, rawOffset + rawSize);
      const size = alignUp(rawSize, image.fileAlignment);
      return [section, place(content, size, program.slice(at, at + SectionHeader.size))];
    }),
  );
  const isMoved = kept.some((section) => placed.get(section)?.rawOffset !== section.rawOffset);
  if (isMoved && hasDebugData(program, image)) {
    fail("Cannot move its sections: debug data says where in the file they are; take a stub without", 0, "Debug");
  }
  return kept.flatMap((section) => placed.get(section) ?? []);
}

function hasDebugData(program: Uint8Array, { offsets }: PeImage): boolean {
  const { certificateDirectory, sectionTable } = offsets;
  if (certificateDirectory === undefined) return false;
  const at = certificateDirectory + (DEBUG_DIRECTORY - CERTIFICATE_DIRECTORY) * DataDirectory.size;
  return at + DataDirectory.size <= sectionTable && DataDirectory.parse(program, at).Size > 0;
}

interface NewHeaders {
  readonly sectionCount: number;
  readonly sizeOfHeaders: number;
  readonly sizeOfImage: number;
  /** Of initialized data. */
  readonly addedBytes: number;
  readonly clearNxCompatible: boolean;
}

function writeHeaders(output: Uint8Array, image: PeImage, headers: NewHeaders): void {
  const { fileHeader, optionalHeader, certificateDirectory } = image.offsets;
  FileHeader.write(output, fileHeader, {
    NumberOfSections: headers.sectionCount,
    PointerToSymbolTable: 0,
    NumberOfSymbols: 0,
  });
  const old = (image.is64Bit ? OptionalHeader64 : OptionalHeader32).parse(output, optionalHeader);
  const { DllCharacteristics } = old;
  const values = {
    SizeOfInitializedData: checkSize(old.SizeOfInitializedData + headers.addedBytes, "SizeOfInitializedData"),
    SizeOfImage: checkSize(headers.sizeOfImage, "SizeOfImage"),
    SizeOfHeaders: headers.sizeOfHeaders,
    DllCharacteristics: headers.clearNxCompatible ? DllCharacteristics & ~NX_COMPATIBLE : DllCharacteristics,
  };
  if (image.is64Bit) OptionalHeader64.write(output, optionalHeader, values);
  else OptionalHeader32.write(output, optionalHeader, values);
  if (certificateDirectory !== undefined) {
    DataDirectory.write(output, certificateDirectory, { VirtualAddress: 0, Size: 0 });
  }
}

function endInMemory({ virtualAddress, virtualSize }: PeSection): number {
  return virtualAddress + virtualSize;
}

function endOfHeader(header: Uint8Array): number {
  const { VirtualAddress, VirtualSize } = SectionHeader.parse(header);
  return VirtualAddress + VirtualSize;
}

function checkSize(bytes: number, what: string): number {
  if (bytes <= MAX_SIZE) return bytes;
  return fail(`Cannot write ${what}: it would reach ${bytes} bytes, a PE file can have 4 GiB`, 0);
}

function fail(message: string, offset: number, field?: string): never {
  throw new FormatError(message, { format: FORMAT, offset, field });
}

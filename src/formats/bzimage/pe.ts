import { byteStringFrom, FormatError } from "../../bytes/index.ts";
import { DOS_MAGIC, DosHeader, MAX_PE_SECTIONS, PE_MAGIC, PeFileHeader, PeSectionHeader } from "./layout.ts";

/** The machine and section names of a PE file: enough to tell what kind of EFI program it is. */
export interface PeOutline {
  readonly machine: number;
  readonly sectionNames: readonly string[];
}

/**
 * The outline of a PE file, or undefined when the bytes are none.
 * @throws FormatError when the headers are cut off or name too many sections.
 */
export function parsePeOutline(bytes: Uint8Array): PeOutline | undefined {
  if (bytes.length < DosHeader.size) return undefined;
  const dos = DosHeader.parse(bytes);
  if (dos.e_magic !== DOS_MAGIC) return undefined;
  const signature = byteStringFrom(bytes.subarray(dos.e_lfanew, dos.e_lfanew + PE_MAGIC.length));
  if (signature !== PE_MAGIC) return undefined;
  const header = PeFileHeader.parse(bytes, dos.e_lfanew);
  if (header.numberOfSections > MAX_PE_SECTIONS) {
    throw new FormatError(`Cannot read ${header.numberOfSections} sections: expected at most ${MAX_PE_SECTIONS}`, {
      format: "pe",
      offset: dos.e_lfanew,
      field: "NumberOfSections",
    });
  }
  const sections = dos.e_lfanew + PeFileHeader.size + header.sizeOfOptionalHeader;
  const sectionNames = Array.from(
    { length: header.numberOfSections },
    (_, index) => PeSectionHeader.parse(bytes, sections + index * PeSectionHeader.size).name,
  );
  return { machine: header.machine, sectionNames };
}

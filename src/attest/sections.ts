import { createHash } from "node:crypto";
import { FormatError, MemorySource, UsageError } from "../bytes/index.ts";
import { type PeImage, type PeSection, readPe } from "../formats/pe/index.ts";
import { EVENT_TYPES } from "../formats/tpm/index.ts";
import { stubVersion } from "../uki/index.ts";
import { BANK, type ExpectedEvent, measured } from "./expected.ts";

/** The PCR of the parts of a unified kernel image, and of the phases of a boot (systemd-stub(7), systemd-pcrphase(8)). */
export const KERNEL_BOOT_PCR = 11;

/**
 * What systemd-stub measures, in its order (unified_sections in src/fundamental), and since which version it does. `.pcrsig` is
 * none of them: it is about the others.
 */
const MEASURED_SECTIONS: readonly { readonly name: string; readonly since: number }[] = [
  { name: ".linux", since: 252 },
  { name: ".osrel", since: 252 },
  { name: ".cmdline", since: 252 },
  { name: ".initrd", since: 252 },
  { name: ".ucode", since: 256 },
  { name: ".splash", since: 252 },
  { name: ".dtb", since: 252 },
  { name: ".uname", since: 254 },
  { name: ".sbat", since: 254 },
  { name: ".pcrpkey", since: 252 },
  { name: ".profile", since: 257 },
];
/** The stub takes the one of several that fits the machine. */
const CHOSEN_BY_MACHINE = [".dtbauto", ".efifw", ".hwids"];
const FIRST_STUB = 252;
const PROFILE_SECTION = ".profile";
const PROFILES_SINCE = 257;

/** A unified kernel image, as far as measurements go. */
export interface MeasuredImage {
  readonly program: Uint8Array;
  readonly image: PeImage;
  /** Of its stub: the first number of systemd's version. */
  readonly stubVersion: number;
  /** How many profiles it has; one without any counts as one. */
  readonly profiles: number;
}

/**
 * @throws FormatError when the program is no unified kernel image of a systemd-stub that measures.
 */
export function readMeasuredImage(program: Uint8Array): MeasuredImage {
  const image = readPe(new MemorySource(program));
  const version = stubVersion(program, image);
  if (version === undefined) throw notPredictable("it has no mark of systemd-stub");
  if (version < FIRST_STUB) throw notPredictable(`systemd ${version}'s stub does not measure its sections`);
  const chosen = image.sections.find(({ name }) => CHOSEN_BY_MACHINE.includes(name));
  if (chosen !== undefined) throw notPredictable(`which of its sections ${chosen.name} counts, the machine decides`);
  const profiles = version < PROFILES_SINCE ? 0 : image.sections.filter(({ name }) => name === PROFILE_SECTION).length;
  return { program, image, stubVersion: version, profiles: Math.max(1, profiles) };
}

/**
 * The sections that count when a profile boots: its own, and those of the image that it does not replace. Of several with
 * one name the first counts.
 * @throws UsageError when there is no such profile.
 */
export function sectionsOf({ image, stubVersion, profiles }: MeasuredImage, profile: number): Map<string, PeSection> {
  if (profile >= profiles) {
    throw new UsageError(`Cannot find profile ${profile}: the image has ${profiles}`, { hint: "they count from 0" });
  }
  const groups: PeSection[][] = [[]];
  for (const section of image.sections) {
    if (section.name === PROFILE_SECTION && stubVersion >= PROFILES_SINCE) groups.push([]);
    groups.at(-1)?.push(section);
  }
  const [common = [], ...own] = groups;
  const sections = new Map<string, PeSection>();
  for (const section of [...(own[profile] ?? []), ...common]) {
    if (!sections.has(section.name)) sections.set(section.name, section);
  }
  return sections;
}

/** What the stub measures of a profile's sections: for each its name, and its content. */
export function sectionEvents(measuredImage: MeasuredImage, profile: number): ExpectedEvent[] {
  const sections = sectionsOf(measuredImage, profile);
  return MEASURED_SECTIONS.flatMap(({ name, since }) => {
    const section = sections.get(name);
    if (section === undefined || section.virtualSize === 0 || measuredImage.stubVersion < since) return [];
    const nameBytes = Buffer.from(`${name}\0`, "latin1");
    return [
      measured(KERNEL_BOOT_PCR, EVENT_TYPES.EV_IPL, nameBytes, `name of section ${name}`),
      {
        pcr: KERNEL_BOOT_PCR,
        type: EVENT_TYPES.EV_IPL,
        digest: digestInMemory(measuredImage.program, section),
        what: `section ${name}, ${section.virtualSize} bytes`,
      },
    ];
  });
}

/** The content of a section as it is in memory: `virtualSize` bytes, zeros where the file has no more. */
export function contentInMemory(program: Uint8Array, section: PeSection): Uint8Array {
  const { rawOffset, rawSize, virtualSize } = section;
  if (virtualSize <= rawSize) return program.subarray(rawOffset, rawOffset + virtualSize);
  if (virtualSize - rawSize > MAX_ZERO_BYTES) {
    throw notPredictable(`its section ${section.name} has ${virtualSize - rawSize} bytes that are not in the file`);
  }
  return Buffer.concat([program.subarray(rawOffset, rawOffset + rawSize), new Uint8Array(virtualSize - rawSize)]);
}

/** The end of a section that linkers leave out has less than a page. */
const MAX_ZERO_BYTES = 64 << 20;

function digestInMemory(program: Uint8Array, section: PeSection): Uint8Array {
  return createHash(BANK).update(contentInMemory(program, section)).digest();
}

function notPredictable(reason: string): FormatError {
  return new FormatError(`Cannot predict what this unified kernel image measures: ${reason}`, { format: "uki" });
}

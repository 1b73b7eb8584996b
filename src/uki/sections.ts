import { UsageError } from "../bytes/index.ts";
import type { NewSection } from "../formats/pe/index.ts";
import { encodeCommandLine } from "./command-line.ts";

/** What a unified kernel image, or one of its profiles, can consist of (UAPI.5, Unified Kernel Image). */
export interface UkiSections {
  /** An os-release text, by which boot menus name the image. */
  readonly osRelease?: Uint8Array | undefined;
  readonly commandLine?: string | undefined;
  /** As uname -r tells it. */
  readonly kernelRelease?: string | undefined;
  /** A picture (BMP) that is shown while the kernel is started. */
  readonly splash?: Uint8Array | undefined;
  /** A flattened device tree. */
  readonly deviceTree?: Uint8Array | undefined;
  /** PEM: the public key of PCR policies. */
  readonly pcrPublicKey?: Uint8Array | undefined;
  /** An uncompressed cpio archive of microcode. */
  readonly microcode?: Uint8Array | undefined;
  /** A kernel that is an EFI program. */
  readonly kernel?: Uint8Array | undefined;
  readonly initrd?: Uint8Array | undefined;
  /** JSON: signed PCR policies. Nothing measures it, so it can be made from the image without it. */
  readonly pcrSignature?: Uint8Array | undefined;
}

/** A variant of the image that a boot menu offers: its sections are taken instead of the image's own. */
export interface UkiProfile {
  readonly id: string;
  readonly title?: string | undefined;
  readonly sections: UkiSections;
}

interface SectionKind {
  readonly key: keyof UkiSections;
  readonly name: string;
  /** The first version of systemd-stub that reads it. */
  readonly since: number;
}

/** In the order in which they are written: small ones first, so that people find them at the start of the file. */
const SECTIONS: readonly SectionKind[] = [
  { key: "osRelease", name: ".osrel", since: 0 },
  { key: "commandLine", name: ".cmdline", since: 0 },
  { key: "kernelRelease", name: ".uname", since: 0 },
  { key: "splash", name: ".splash", since: 0 },
  { key: "deviceTree", name: ".dtb", since: 0 },
  { key: "pcrPublicKey", name: ".pcrpkey", since: 252 },
  { key: "microcode", name: ".ucode", since: 256 },
  { key: "kernel", name: ".linux", since: 0 },
  { key: "initrd", name: ".initrd", since: 0 },
  { key: "pcrSignature", name: ".pcrsig", since: 252 },
];

const PROFILE_SECTION = ".profile";
const PROFILES_SINCE = 257;
const PROFILE_ID = /^[A-Za-z0-9._-]+$/;

/**
 * The sections of an image, or of one profile, that are given.
 * @throws UsageError when this version of the stub would not look at one of them.
 */
export function encodeSections(sections: UkiSections, stubVersion: number): NewSection[] {
  return SECTIONS.flatMap(({ key, name, since }) => {
    const value = sections[key];
    if (value === undefined) return [];
    requireVersion(name, since, stubVersion);
    const content = typeof value === "string" ? encodeText(key, value) : value;
    // The stub takes an empty section for none, and a profile could not take back what the image has.
    if (content.length === 0) return [];
    return [{ name, content, kind: key === "kernel" ? ("code" as const) : ("data" as const) }];
  });
}

/**
 * The sections of a profile, the one first that begins it.
 * @throws UsageError when its name cannot be used, or the stub knows no profiles.
 */
export function encodeProfile({ id, title, sections }: UkiProfile, stubVersion: number): NewSection[] {
  requireVersion(PROFILE_SECTION, PROFILES_SINCE, stubVersion);
  if (!PROFILE_ID.test(id)) {
    throw new UsageError(`Cannot use ${JSON.stringify(id)} as the ID of a profile`, {
      hint: "use letters, digits, full stops, dashes and underscores",
    });
  }
  const lines = [`ID=${id}`, ...(title === undefined ? [] : [`TITLE=${quote(title)}`])];
  const content = Buffer.from(`${lines.join("\n")}\n`, "utf8");
  return [{ name: PROFILE_SECTION, content, kind: "data" }, ...encodeSections(sections, stubVersion)];
}

function encodeText(key: keyof UkiSections, text: string): Uint8Array {
  return key === "commandLine" ? encodeCommandLine(text) : Buffer.from(text, "utf8");
}

/** A value as os-release(5) has it: in double quotes, with those four characters escaped that mean something there. */
function quote(text: string): string {
  if (/[\r\n\0]/.test(text)) {
    throw new UsageError(`Cannot use ${JSON.stringify(text)} as a title`, { hint: "write it on one line" });
  }
  return `"${text.replaceAll(/["$`\\]/g, (character) => `\\${character}`)}"`;
}

function requireVersion(name: string, since: number, stubVersion: number): void {
  if (stubVersion >= since) return;
  throw new UsageError(`Cannot add a section ${name}: this stub is systemd ${stubVersion}'s, which does not read it`, {
    hint: `take the stub of systemd ${since} or newer, with --stub FILE`,
  });
}

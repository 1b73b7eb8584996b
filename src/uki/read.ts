import { MemorySource } from "../bytes/index.ts";
import { type PeImage, type PeSection, sectionNamed, sectionSource } from "../formats/pe/index.ts";

/** A profile as a unified kernel image has it. */
export interface ProfileName {
  readonly id: string;
  readonly title: string | undefined;
}

const PROFILE_SECTION = ".profile";
/** Command lines, os-release and the like are shorter. */
const MAX_TEXT_BYTES = 1 << 16;

/** The text of a section up to its first NUL; undefined where there is no such section. */
export function sectionText(program: Uint8Array, image: PeImage, name: string): string | undefined {
  const section = sectionNamed(image, name);
  return section && textOf(program, section);
}

/** The profiles of a unified kernel image; the first one is number 0, which boots by default. */
export function readProfiles(program: Uint8Array, image: PeImage): ProfileName[] {
  return image.sections
    .filter(({ name }) => name === PROFILE_SECTION)
    .map((section) => {
      const text = textOf(program, section);
      return { id: osReleaseValue(text, "ID") ?? "", title: osReleaseValue(text, "TITLE") };
    });
}

/** A value of an os-release(5) text, out of its quotes. */
export function osReleaseValue(text: string, key: string): string | undefined {
  const value = new RegExp(`^${key}=(.*)$`, "m").exec(text)?.[1];
  return value?.replace(/^(["'])(.*)\1$/, "$2").replaceAll(/\\(["$`\\])/g, "$1");
}

function textOf(program: Uint8Array, section: PeSection): string {
  const source = sectionSource(new MemorySource(program), section);
  const bytes = source.read(0, Math.min(source.size, MAX_TEXT_BYTES));
  return Buffer.from(bytes).toString("utf8").split("\0", 1)[0] ?? "";
}

import { FormatError, MemorySource } from "../bytes/index.ts";
import { type PeImage, readPe, sectionNamed } from "../formats/pe/index.ts";
import { sectionText } from "./read.ts";

/** What is known of a stub: an EFI program of systemd's that expects sections to be added to it. */
export interface Stub {
  readonly program: Uint8Array;
  readonly image: PeImage;
  /** The first number of systemd's version: what it understands. */
  readonly majorVersion: number;
  /** The text of its section .sbat, "" where it has none. */
  readonly sbat: string;
}

/** Systemd marks its EFI programs with this section (src/boot/efi, LoaderInfo). */
const MAGIC_SECTION = ".sdmagic";
const MAGIC = /^#### LoaderInfo: systemd-(stub|addon) (\d+)/;
const SBAT_SECTION = ".sbat";

/**
 * Reads a stub, `linux*.efi.stub` or `addon*.efi.stub`.
 * @throws FormatError when the file is another one, or has been made into an image already.
 */
export function readStub(program: Uint8Array, kind: "stub" | "addon"): Stub {
  const image = readPe(new MemorySource(program));
  const { found, version } = markOf(program, image);
  const wanted = kind === "stub" ? "linuxx64.efi.stub" : "addonx64.efi.stub";
  if (found !== kind || version === undefined) {
    fail(`Cannot use this as a stub: it has no mark of systemd-${kind}; give systemd's ${wanted}`);
  }
  if (sectionNamed(image, ".linux") !== undefined) {
    fail(`Cannot use this as a stub: it has a kernel already; give systemd's ${wanted}`);
  }
  return {
    program,
    image,
    majorVersion: version,
    sbat: sectionText(program, image, SBAT_SECTION) ?? "",
  };
}

/** The first number of the version of systemd whose stub this image has; undefined when it has another one, or none. */
export function stubVersion(program: Uint8Array, image: PeImage): number | undefined {
  const { found, version } = markOf(program, image);
  return found === "stub" ? version : undefined;
}

function markOf(program: Uint8Array, image: PeImage): { found: string | undefined; version: number | undefined } {
  const [, found, version] = MAGIC.exec(sectionText(program, image, MAGIC_SECTION) ?? "") ?? [];
  return { found, version: version === undefined ? undefined : Number(version) };
}

function fail(message: string): never {
  throw new FormatError(message, { format: "stub" });
}

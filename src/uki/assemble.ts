import { FormatError, hex, MemorySource, UsageError } from "../bytes/index.ts";
import { changeSections, isPe, NX_COMPATIBLE, type PeImage, readPe } from "../formats/pe/index.ts";
import { sectionText } from "./read.ts";
import { mergeSbat } from "./sbat.ts";
import { encodeProfile, encodeSections, type UkiProfile, type UkiSections } from "./sections.ts";
import { readStub, type Stub } from "./stub.ts";

/** A unified kernel image to be made. */
export interface UkiOptions {
  /** systemd's `linux*.efi.stub`. */
  readonly stub: Uint8Array;
  readonly sections: UkiSections & { readonly kernel: Uint8Array };
  /** With any of them, the first one is what boots by default. */
  readonly profiles?: readonly UkiProfile[] | undefined;
  /** More SBAT entries, one a line. */
  readonly sbat?: string | undefined;
}

const SBAT_SECTION = ".sbat";

/**
 * Puts a unified kernel image together, not signed. The same parts give the same bytes.
 * @throws FormatError for a stub or kernel that is none, UsageError for parts that do not fit the stub.
 */
export function assembleUki({ stub: program, sections, profiles = [], sbat = "" }: UkiOptions): Uint8Array {
  const stub = readStub(program, "stub");
  const kernels = [sections, ...profiles.map((profile) => profile.sections)].flatMap(({ kernel }) => kernel ?? []);
  const images = kernels.map((kernel) => readKernel(kernel, stub));
  const ids = profiles.map(({ id }) => id);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) {
    throw new UsageError(`Cannot make two profiles ${JSON.stringify(twice)}`, { hint: "give each an ID of its own" });
  }
  const kernelSbats = kernels.map((kernel, index) => sbatOf(kernel, images[index]));
  const merged = mergeSbat([stub.sbat, ...kernelSbats, sbat]);
  return changeSections(program, {
    remove: [SBAT_SECTION],
    add: [
      { name: SBAT_SECTION, content: Buffer.from(merged, "utf8"), kind: "data" },
      ...encodeSections(sections, stub.majorVersion),
      ...profiles.flatMap((profile) => encodeProfile(profile, stub.majorVersion)),
    ],
    // The stub starts the kernel in its own memory: it must not promise what the kernel does not keep.
    clearNxCompatible: images.some(({ dllCharacteristics }) => (dllCharacteristics & NX_COMPATIBLE) === 0),
  });
}

/** The sections that an addon may have: the stub adds them to those of the image (systemd-stub(7)). */
export type AddonSections = Pick<UkiSections, "commandLine" | "deviceTree" | "microcode" | "initrd" | "kernelRelease">;

/**
 * Puts an addon together, not signed: an EFI program that only carries sections for the image beside it.
 * @throws FormatError for a stub that is none, UsageError when there is nothing in it.
 */
export function assembleAddon(program: Uint8Array, sections: AddonSections): Uint8Array {
  const stub = readStub(program, "addon");
  const { kernelRelease: _, ...contents } = sections;
  if (encodeSections(contents, stub.majorVersion).length === 0) {
    throw new UsageError("Cannot make an addon without content", {
      hint: "give a command line, a device tree, microcode or an initrd",
    });
  }
  return changeSections(program, {
    remove: [SBAT_SECTION],
    add: [
      { name: SBAT_SECTION, content: Buffer.from(mergeSbat([stub.sbat]), "utf8"), kind: "data" },
      ...encodeSections(sections, stub.majorVersion),
    ],
  });
}

function readKernel(kernel: Uint8Array, stub: Stub): PeImage {
  if (!isPe(kernel)) {
    throw new FormatError(
      "Cannot put this kernel into a unified kernel image: it is no EFI program; take one built with CONFIG_EFI_STUB",
      { format: "kernel image" },
    );
  }
  const image = readPe(new MemorySource(kernel));
  if (image.machine === stub.image.machine) return image;
  throw new UsageError(
    `Cannot start a kernel for machine ${hex(image.machine)} with a stub for ${hex(stub.image.machine)}`,
    { hint: "give the stub of the kernel's architecture, with --stub FILE" },
  );
}

function sbatOf(kernel: Uint8Array, image: PeImage | undefined): string {
  return (image && sectionText(kernel, image, SBAT_SECTION)) ?? "";
}

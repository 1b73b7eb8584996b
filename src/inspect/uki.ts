import { type ByteSource, byteStringFrom, fromText, hex, toText } from "../bytes/index.ts";
import { isPe, type PeImage, readPe, sectionNamed, sectionSource } from "../formats/pe/index.ts";
import { checkProgramSignatures, type ProgramSignature } from "../keys/index.ts";
import { alignedLines, formatExactSize, formatSize, labelledLines } from "../text/index.ts";
import { osReleaseValue, readProfiles, sectionText } from "../uki/index.ts";
import { cpioReader } from "./initramfs.ts";
import { kernelReader } from "./kernel.ts";
import type { InspectedFile, Inspection, Reader } from "./types.ts";
import { readWhole } from "./whole.ts";

const FORMAT = "efi-program";

/** EFI programs that are no kernels: unified kernel images, addons, stubs, boot loaders. */
export const ukiReader: Reader = {
  what: "a unified kernel image or other EFI program",
  matches: (head) => isPe(head) && !KERNEL_MARKS.some(({ offset, text }) => textAt(head, offset, text)),
  inspect,
};

/** Kernels are EFI programs too: by these they are told (docs/formats/uki.md). */
const KERNEL_MARKS = [
  { offset: 0x202, text: "HdrS" },
  { offset: 56, text: "ARM\x64" },
  { offset: 4, text: "zimg" },
] as const;

function textAt(bytes: Uint8Array, offset: number, text: string): boolean {
  return byteStringFrom(bytes.subarray(offset, offset + text.length)) === text;
}

async function inspect({ path, source }: InspectedFile): Promise<Inspection> {
  const program = readWhole(source, FORMAT);
  const image = readPe(source);
  const text = (name: string): string | undefined => sectionText(program, image, name);
  const part = (name: string): ByteSource | undefined => {
    const section = sectionNamed(image, name);
    return section && sectionSource(source, section);
  };
  const kernel = part(".linux");
  const kernelFacts = kernel && (await kernelReader.inspect({ path, source: kernel }));
  const initrd = part(".initrd");
  const initrdFacts = initrd && (await cpioReader.inspect({ path, source: initrd }));
  const signatures = checkProgramSignatures(program);
  const profiles = readProfiles(program, image);
  const name = osReleaseValue(text(".osrel") ?? "", "PRETTY_NAME");
  return {
    format: kernel === undefined ? FORMAT : "uki",
    title: kernelFacts === undefined ? "EFI program" : `unified kernel image, ${kernelFacts.title}`,
    lines: [
      ...alignedLines([["section", "offset", "size"], ...image.sections.map(describeSection)], [1, 2]),
      ...labelledLines([
        ["size", formatExactSize(source.size)],
        ["name", shown(name)],
        ["stub", /#### LoaderInfo: (.*?) ####/.exec(text(".sdmagic") ?? "")?.[1]],
        ["command line", shown(text(".cmdline"))],
        ["initrd", initrdFacts?.title],
        ...profiles.map(
          ({ id, title }, index) => [`profile ${index}`, shown(title === undefined ? id : `${id}, ${title}`)] as const,
        ),
        ...signatures.map((signature) => ["signed by", describeSignature(signature)] as const),
        ["signed by", signatures.length === 0 ? "nobody" : undefined],
      ]),
    ],
    facts: {
      sections: image.sections.map(({ name, rawOffset, virtualSize, virtualAddress }) => ({
        name,
        offset: rawOffset,
        sizeBytes: virtualSize,
        address: virtualAddress,
      })),
      osRelease: text(".osrel") ?? null,
      commandLine: text(".cmdline") ?? null,
      kernel: kernelFacts?.facts ?? null,
      initrd: initrdFacts?.facts ?? null,
      profiles,
      signatures: signatures.map(({ certificate, fault }) => ({
        subject: certificate?.subject ?? null,
        serial: certificate?.serial ?? null,
        fault: fault ?? null,
      })),
    },
    warnings: [...(initrdFacts?.warnings ?? [])],
    problems: signatures.flatMap((signature) =>
      signature.fault === undefined ? [] : [`signature by ${whoSigned(signature)}: ${signature.fault}`],
    ),
    list: initrdFacts?.list,
    dump: undefined,
    verify: undefined,
  };
}

/** Text of an unknown origin, fit for a terminal. */
function shown(text: string | undefined): string | undefined {
  return text === undefined ? undefined : toText(fromText(text));
}

function describeSection({ name, rawOffset, virtualSize }: PeImage["sections"][number]): string[] {
  return [name, hex(rawOffset), formatSize(virtualSize)];
}

function describeSignature(signature: ProgramSignature): string {
  return `${whoSigned(signature)}, ${signature.fault === undefined ? "sound" : "NOT SOUND"}`;
}

function whoSigned({ certificate }: ProgramSignature): string {
  return certificate === undefined ? "somebody unknown" : `${certificate.subject}, serial ${certificate.serial}`;
}

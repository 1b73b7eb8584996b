import { byteStringFrom } from "../bytes/index.ts";
import { parseKernelImage } from "../kernel/index.ts";
import { formatExactSize, labelledLines } from "../text/index.ts";
import type { InspectedFile, Inspection, Reader } from "./types.ts";
import { readWhole } from "./whole.ts";

/** Where the marks of kernel images stand; "MZ" is that of every EFI program, kernels among them. */
const MARKS: readonly { offset: number; text: string }[] = [
  { offset: 0x202, text: "HdrS" },
  { offset: 56, text: "ARM\x64" },
  { offset: 4, text: "zimg" },
  { offset: 0, text: "MZ" },
];

export const kernelReader: Reader = {
  what: "a kernel",
  matches: (head) =>
    MARKS.some(({ offset, text }) => byteStringFrom(head.subarray(offset, offset + text.length)) === text),
  inspect,
};

function inspect({ source }: InspectedFile): Inspection {
  const { kind, architecture, release, versionText, efi, x86, payload } = parseKernelImage(
    readWhole(source, "kernel image"),
  );
  const payloadText = payload && `${payload.compression}, ${formatExactSize(payload.size)} at ${payload.offset}`;
  return {
    format: "kernel",
    title: `kernel ${release ?? "of a release that only its compressed part names"}, ${architecture}`,
    lines: labelledLines([
      ["version", versionText],
      ["kind", kind],
      ["size", formatExactSize(source.size)],
      ["EFI program", efi ? "yes" : "no"],
      ["boot protocol", x86?.protocol],
      ["payload", payloadText],
    ]),
    facts: {
      release: release ?? null,
      architecture,
      kind,
      versionText: versionText ?? null,
      efi,
      x86: x86 ?? null,
      payload: payload ?? null,
    },
    warnings: [],
    problems: [],
    list: undefined,
    dump: undefined,
    verify: undefined,
  };
}

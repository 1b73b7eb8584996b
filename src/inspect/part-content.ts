import { type ByteSource, byteStringFrom, FormatError } from "../bytes/index.ts";
import { isFat } from "../formats/fat/index.ts";
import { readVeritySuperblock } from "../formats/verity/index.ts";
import { erofsLines, isErofs, summarizeErofs } from "./erofs.ts";
import { summarizeFat } from "./fat.ts";
import { isVerity, verityFacts, verityLines } from "./verity.ts";

/** What a partition, or a file that cannot be inspected, holds. */
export interface PartContent {
  readonly name: string;
  readonly lines: readonly string[];
  readonly facts: Readonly<Record<string, unknown>>;
}

/** What is known by name only: the marks by which the kernel (or blkid) tells it, first match counts. */
const FOREIGN: readonly { name: string; offset: number; mark: string }[] = [
  { name: "LUKS", offset: 0, mark: "LUKS\xba\xbe" },
  { name: "squashfs", offset: 0, mark: "hsqs" },
  { name: "XFS", offset: 0, mark: "XFSB" },
  { name: "ext2, ext3 or ext4", offset: 0x438, mark: "\x53\xef" },
  { name: "swap", offset: 4086, mark: "SWAPSPACE2" },
  { name: "btrfs", offset: 0x10040, mark: "_BHRfS_M" },
];

/** As far as the last of these marks reaches. */
export const HEAD_BYTES = 0x10040 + 8;

/** The first bytes of a file or partition, by which it is recognised. */
export function headOf(source: ByteSource): Uint8Array {
  return source.read(0, Math.min(source.size, HEAD_BYTES));
}

/** What bytes are that lazyrd does not read, by name; undefined where it does not know. */
export function foreignName(head: Uint8Array): string | undefined {
  return FOREIGN.find(({ offset, mark }) => byteStringFrom(head.subarray(offset, offset + mark.length)) === mark)?.name;
}

/** What a partition holds; what is damaged says how. */
export function describePart(source: ByteSource): PartContent {
  const head = headOf(source);
  try {
    if (isErofs(head)) {
      const summary = summarizeErofs(source);
      return { name: "EROFS", lines: erofsLines(summary), facts: { format: "erofs", ...summary.facts } };
    }
    if (isVerity(head)) {
      const info = readVeritySuperblock(source);
      return { name: "dm-verity hashes", lines: verityLines(info), facts: { format: "verity", ...verityFacts(info) } };
    }
    if (isFat(head)) {
      const { name, lines, facts, warnings } = summarizeFat(source);
      return {
        name,
        lines: [...lines, ...warnings.map((warning) => `  warning: ${warning}`)],
        facts: { format: "fat", ...facts, warnings },
      };
    }
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    return { name: `damaged: ${cause.message}`, lines: [], facts: { format: "damaged", reason: cause.message } };
  }
  const name = foreignName(head) ?? (head.every((byte) => byte === 0) ? "zeros at its start" : "unknown");
  return { name, lines: [], facts: { format: name } };
}

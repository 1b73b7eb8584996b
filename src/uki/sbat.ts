import { FormatError } from "../bytes/index.ts";

/** The first line of every such text (shim, SBAT.md). */
const HEADER = "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md";
/** The component that stands for the way an image is put together: all of them can be revoked by it. */
const UKI_LINE = "uki,1,UKI,uki,1,https://uapi-group.org/specifications/specs/unified_kernel_image/";
/** Component, generation; what follows is for people. */
const LINE = /^[^,\s]+,\d+(,|$)/;

/**
 * What shim compares with its revocations, of all parts of an image: each line once, in the order of `texts`.
 * @throws FormatError for a line that is no SBAT entry.
 */
export function mergeSbat(texts: readonly string[]): string {
  const lines = new Set([HEADER]);
  for (const text of texts) {
    for (const line of text.split(/\r?\n/).filter((part) => part !== "")) {
      if (!LINE.test(line)) {
        throw new FormatError(`Cannot read the SBAT entry ${JSON.stringify(line)}: expected component,generation,...`, {
          format: "sbat",
        });
      }
      lines.add(line);
    }
  }
  lines.add(UKI_LINE);
  return `${[...lines].join("\n")}\n`;
}

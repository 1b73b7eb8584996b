import { FormatError, toHex } from "../bytes/index.ts";
import { diskReader } from "./disk.ts";
import { erofsReader } from "./erofs.ts";
import { eventLogReader } from "./event-log.ts";
import { fatReader } from "./fat.ts";
import { manifestReader } from "./generation.ts";
import { compressedReader, cpioReader } from "./initramfs.ts";
import { kernelReader } from "./kernel.ts";
import { moduleReader } from "./module.ts";
import { foreignName, headOf } from "./part-content.ts";
import type { InspectedFile, Inspection, Reader } from "./types.ts";
import { ukiReader } from "./uki.ts";
import { verityReader } from "./verity.ts";

/** What can be inspected, in the order in which it is tried: the longest marks first. */
export const READERS: readonly Reader[] = [
  diskReader,
  verityReader,
  erofsReader,
  fatReader,
  cpioReader,
  ukiReader,
  kernelReader,
  moduleReader,
  eventLogReader,
  manifestReader,
  compressedReader,
];

/** How many bytes an error shows of what is unknown. */
const SHOWN_BYTES = 8;

/**
 * Finds out what a file is, by its content, and describes it.
 * @throws FormatError when it is none of what is known, or damaged.
 */
export async function inspectFile(file: InspectedFile): Promise<Inspection> {
  const head = headOf(file.source);
  const reader = READERS.find(({ matches }) => matches(head, file));
  if (reader !== undefined) return reader.inspect(file);
  const foreign = foreignName(head);
  const name = foreign === undefined ? "" : `, it looks like ${foreign}`;
  const start = head.length === 0 ? "is empty" : `begins with 0x${toHex(head.subarray(0, SHOWN_BYTES))}${name}`;
  const known = READERS.map(({ what }) => what).join(", ");
  throw new FormatError(`Cannot tell what this is: it ${start}; known are ${known}`, { format: "file" });
}

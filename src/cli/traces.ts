import { statSync } from "node:fs";
import { join } from "node:path";
import { Option } from "commander";
import { GENERATION_FILES } from "../build/index.ts";
import { UsageError } from "../bytes/index.ts";
import { FileSource, inFile, readInput } from "../host/index.ts";
import { type ImageMap, mapImage, parseTrace, type Trace } from "../trace/index.ts";

/** @throws UsageError when it cannot be read, FormatError when it is no trace. */
export function readTrace(path: string): Promise<Trace> {
  return inFile(path, () => parseTrace(Buffer.from(readInput(path, "the trace")).toString("utf8")));
}

/**
 * What each byte of the image is that a trace was made of.
 * @param given the image, or a generation's folder; by default the folder that was booted
 * @throws UsageError when the image is not there, FormatError when it is another one.
 */
export async function mapOf(trace: Trace, given: string | undefined): Promise<ImageMap> {
  const { rootHash, folder } = trace.boot;
  if (rootHash === null) throw new UsageError("Cannot tell what was read: the trace names no image");
  const image = given ?? folder;
  const hint = "name it with --image";
  if (image === null)
    throw new UsageError("Cannot tell what was read: the trace does not say where the image is", { hint });
  const path = imageIn(image);
  const source = openImage(path, hint);
  try {
    return await inFile(path, () => mapImage(source, rootHash));
  } finally {
    source.close();
  }
}

function openImage(path: string, hint: string): FileSource {
  try {
    return new FileSource(path, "the image");
  } catch (cause) {
    if (!(cause instanceof UsageError)) throw cause;
    throw new UsageError(cause.message, { hint, cause });
  }
}

function imageIn(path: string): string {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  return isFolder ? join(path, GENERATION_FILES.image) : path;
}

/** For commands that need the image of a trace. */
export const IMAGE_OPTION = (): Option => {
  return new Option("--image <path>", "the image or generation that was traced, when it is not where it was");
};

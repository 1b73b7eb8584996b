import { type ByteSource, fromText, type PositionedSink } from "../bytes/index.ts";
import { encodeCpio } from "../formats/cpio/index.ts";
import type { OutputFolder } from "../host/index.ts";
import { regularFile } from "../tree/index.ts";
import { OPTIONAL_FILES } from "./generation.ts";
import type { Workforce } from "./threads/index.ts";

/** What goes into an initrd that has the image in it. */
export interface WholeInitrdParts {
  /** With its bootconfig at its end, where it has one. */
  readonly firstStage: Uint8Array;
  readonly bootconfig: Uint8Array | undefined;
  readonly image: ByteSource;
  /** Where the kernel is to put the image; its folder comes with the first stage. */
  readonly imagePath: string;
}

export interface WholeInitrd {
  readonly entry: { readonly sizeBytes: number; readonly sha256: string };
  /** For a unified kernel image. */
  readonly bytes: () => Uint8Array;
  readonly close: () => void;
}

/**
 * Writes the initrd of a generation whose image is in it.
 * @throws FormatError when the image is too large for a file in an initrd (4 GiB).
 */
export async function writeWholeInitrd(
  parts: WholeInitrdParts,
  output: OutputFolder,
  threads: Workforce,
): Promise<WholeInitrd> {
  const file = output.create(OPTIONAL_FILES.initrd);
  const sizeBytes = encodeWholeInitrd(parts, file);
  const content = { descriptor: file.descriptor, offset: 0, length: sizeBytes };
  const [sha256] = await Promise.all([file.elsewhere(threads.run("digest", content, sizeBytes)), file.sync()]);
  return {
    entry: { sizeBytes, sha256 },
    bytes: () => file.source(sizeBytes).read(0, sizeBytes),
    close: () => file.close(),
  };
}

/**
 * The first stage, and behind it an archive of one file that is not compressed: the kernel has nothing to do but copy it
 * once. Returns how many bytes that is.
 */
function encodeWholeInitrd(
  { firstStage, bootconfig, image, imagePath }: WholeInitrdParts,
  file: PositionedSink,
): number {
  let sizeBytes = 0;
  const write = (bytes: Uint8Array): void => {
    file.writeAt(sizeBytes, bytes);
    sizeBytes += bytes.length;
  };
  write(firstStage.subarray(0, firstStage.length - (bootconfig?.length ?? 0)));
  encodeCpio([{ path: fromText(imagePath.replace(/^\//, "")), node: regularFile(image) }], { write });
  // The kernel looks for it at the very end.
  if (bootconfig !== undefined) write(bootconfig);
  return sizeBytes;
}

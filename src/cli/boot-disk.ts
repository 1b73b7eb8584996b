import { createHmac } from "node:crypto";
import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Generation, LOCAL_FILES } from "../build/index.ts";
import { customGuid, fromHex, GUID_SIZE, sequentialSink, UsageError } from "../bytes/index.ts";
import { planFilePartition } from "../disk/index.ts";
import { encodeGpt, planGpt, writeContent } from "../formats/gpt/index.ts";
import { FileSource, OutputFile, onInterrupt } from "../host/index.ts";

/**
 * Calls `use` with the path of a disk that holds a generation's image where its layout looks for it.
 * @throws UsageError when lazyrd cannot write the file system that this takes.
 */
export async function withImageDisk<T>(generation: Generation, use: (path: string) => Promise<T>): Promise<T> {
  const { place } = generation.manifest;
  if (place.kind === "usr") return use(diskWithUsr(generation, place.path));
  if (place.kind !== "file") return use(generation.path("image"));
  const folder = mkdtempSync(join(tmpdir(), "lazyrd-"));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  const stopListening = onInterrupt(removeFolder);
  const image = new FileSource(generation.path("image"), "the image");
  try {
    const derive = (purpose: string): Buffer =>
      createHmac("sha256", fromHex(generation.manifest.image.rootHash)).update(`lazyrd-boot-${purpose}`).digest();
    const guid = (purpose: string) => customGuid(derive(purpose).subarray(0, GUID_SIZE));
    const other = { partitionGuid: guid("partition"), volumeId: derive("volume").readUInt32LE() };
    const { partition, fat } = planFilePartition(place, image, other);
    const gpt = planGpt({ diskGuid: guid("disk"), partitions: [partition] });
    const output = new OutputFile(join(folder, "disk"), { force: false });
    output.requireSpace(image.size);
    output.writeSparse(gpt.layout.sizeBytes, (sink) => {
      const offset = gpt.partitions[0]?.offsetBytes ?? 0;
      writeContent((content) => fat.emit(content), fat.sizeBytes, sequentialSink(sink, offset));
      const { head, tail, tailOffset } = encodeGpt(gpt);
      sink.writeAt(tailOffset, tail);
      sink.writeAt(0, head);
    });
    output.commit();
    return await use(join(folder, "disk"));
  } finally {
    image.close();
    stopListening();
    removeFolder();
  }
}

/** The image is in there already: whoever built the generation put it there. */
function diskWithUsr({ folder }: Generation, path: string): string {
  const link = join(folder, LOCAL_FILES.usr);
  if (existsSync(link)) return realpathSync(link);
  throw new UsageError(`Cannot boot ${folder}: the disk image with /usr, which holds ${path}, is not where it was`, {
    hint: "build the generation again where that is",
  });
}

import { closeSync, openSync, writeFileSync } from "node:fs";
import { encodeFirstStage, keptParts } from "../../build/index.ts";
import { alignUp, FormatError, MemorySink, MemorySource, sequentialSink, UsageError } from "../../bytes/index.ts";
import { type OpenContent, openContent } from "../../content/index.ts";
import { compress, OUTPUT_METHODS, type OutputMethod } from "../../formats/compression/index.ts";
import { encodeCpio, type Initramfs, readInitramfs, treeOfInitramfs } from "../../formats/cpio/index.ts";
import { inFile, packWithTool, readInput, writeFully } from "../../host/index.ts";
import { type ArchiveMethod, addContent, contentBytesOf } from "../../measure/index.ts";
import { Tree } from "../../tree/index.ts";

export interface InitrdOptions {
  readonly path: string;
  readonly addedBytes: number;
  /** Undefined: as the initrd is packed already. */
  readonly method: ArchiveMethod | "as it is or none" | undefined;
  /** Whether it is to be taken for an operating system: without what tells systemd that it is an initrd. */
  readonly asSystem?: boolean;
}

const INITRD_RELEASE = "etc/initrd-release";

/**
 * Writes an initrd with more in it, or packed in another way. Microcode in front stays as it is.
 * @returns the bytes of all its files, unpacked
 * @throws UsageError when the program that packs like that is not installed.
 */
export async function writeInitrd(
  { path, addedBytes, method, asSystem = false }: InitrdOptions,
  output: string,
): Promise<number> {
  const bytes = readInput(path, "the initrd");
  const initramfs = await inFile(path, () => readInitramfs(bytes));
  const { tree } = treeOfInitramfs(initramfs, { includeEarly: false });
  const keepsPacking = method === undefined || method === "as it is or none";
  if (keepsPacking && !asSystem) {
    await writeExtended(bytes, { addedBytes, method: method === undefined ? ownMethod(initramfs) : "none" }, output);
    return contentBytesOf(tree) + addedBytes;
  }
  addContent(tree, addedBytes);
  if (asSystem) tree.remove(INITRD_RELEASE);
  const kept = keptParts(new MemorySource(bytes), initramfs);
  const packed = await encodeFirstStage(tree, kept, "none", (archive) => pack(archive, keepsPacking ? "none" : method));
  writeFileSync(output, packed);
  return contentBytesOf(tree);
}

/** The kernel looks for the next archive at multiples of this only. */
const ALIGNMENT = 4;
/** The library that packs takes no more than a gigabyte. */
const LARGEST_ADDITION_BYTES = 256 << 20;
/** What is added packs no better at higher levels. */
const ADDITION_ZSTD_LEVEL = 3;

/** Writes an initrd as it is, and behind it further archives with what is added: the kernel unpacks one after the other. */
async function writeExtended(
  initrd: Uint8Array,
  { addedBytes, method }: { readonly addedBytes: number; readonly method: ArchiveMethod },
  output: string,
): Promise<void> {
  const file = openSync(output, "w");
  try {
    let end = 0;
    const append = (bytes: Uint8Array): void => {
      writeFully(file, alignUp(end, ALIGNMENT), bytes);
      end = alignUp(end, ALIGNMENT) + bytes.length;
    };
    append(initrd);
    for (let from = 0; from < addedBytes; from += LARGEST_ADDITION_BYTES) {
      const more = new Tree();
      addContent(more, Math.min(LARGEST_ADDITION_BYTES, addedBytes - from), from);
      const archive = new MemorySink();
      encodeCpio(more, archive);
      append(await pack(archive.bytes(), method, ADDITION_ZSTD_LEVEL));
    }
  } finally {
    closeSync(file);
  }
}

/**
 * Writes an archive of an operating system, a folder or an image, with more in it.
 * @returns the bytes of all its files
 * @throws UsageError when it is nothing that lazyrd finds files in.
 */
export async function writeSystem(
  { path, addedBytes }: Pick<InitrdOptions, "path" | "addedBytes">,
  output: string,
): Promise<number> {
  const content = await openSystem(path);
  try {
    const { tree } = content.roots[0];
    addContent(tree, addedBytes);
    const file = openSync(output, "w");
    try {
      const sink = sequentialSink({ writeAt: (offset, bytes) => writeFully(file, offset, bytes) }, 0);
      encodeCpio(tree, sink, { xattrs: "drop" });
    } finally {
      closeSync(file);
    }
    return contentBytesOf(tree);
  } finally {
    content.close();
  }
}

async function openSystem(path: string): Promise<OpenContent> {
  try {
    return await openContent(path);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new UsageError(`Cannot make an image of the system in ${path}: ${cause.message}`, {
      hint: "give a folder with the system",
      cause,
    });
  }
}

/** The level at which initrd generators run zstd would take minutes; what is measured is unpacking. */
const ZSTD_LEVEL = 9;

async function pack(archive: Uint8Array, method: ArchiveMethod, zstdLevel = ZSTD_LEVEL): Promise<Uint8Array> {
  if (!isOutputMethod(method)) return packWithTool(archive, method);
  return compress(archive, method === "zstd" ? { method, level: zstdLevel } : { method });
}

function isOutputMethod(method: ArchiveMethod): method is OutputMethod {
  return OUTPUT_METHODS.some((candidate) => candidate === method);
}

/** How the initrd's own archive is packed. */
function ownMethod({ segments }: Initramfs): ArchiveMethod {
  return segments.findLast(({ early }) => !early)?.method ?? "none";
}

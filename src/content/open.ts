import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { describeBase, GENERATION_FILES, type Manifest, OPTIONAL_FILES, readGeneration } from "../build/index.ts";
import { type ByteSource, byteStringFrom, FormatError, toHex, toText, UsageError } from "../bytes/index.ts";
import { detectCompression } from "../formats/compression/index.ts";
import { readInitramfs, treeOfInitramfs } from "../formats/cpio/index.ts";
import { openErofs } from "../formats/erofs/index.ts";
import { type FatContent, fatTree, isFat, readFat } from "../formats/fat/index.ts";
import { type Partition, partitionSource, readGpt, verityPartitionType } from "../formats/gpt/index.ts";
import { isPe, readPe, sectionNamed, sectionSource } from "../formats/pe/index.ts";
import { FileSource, inFile, readHostTree } from "../host/index.ts";
import { diskReader, foreignName, headOf, isErofs } from "../inspect/index.ts";
import type { Tree } from "../tree/index.ts";

/** A file tree, and where it comes from. */
export interface Root {
  /** What stands before a colon in paths of this tree; "" for the one that needs no such thing. */
  readonly name: string;
  readonly tree: Tree;
  /** Whether the tree shows extended attributes, where its files have some. */
  readonly knowsXattrs: boolean;
}

/** Something that holds file trees, opened. */
export interface OpenContent {
  readonly path: string;
  readonly kind: "initramfs" | "erofs" | "fat" | "disk" | "uki" | "generation" | "folder";
  /** Never empty; the first one is meant where a path names none. */
  readonly roots: readonly [Root, ...Root[]];
  /** Bytes that it takes as it is stored; of a generation, those of its image. Undefined for a folder. */
  readonly storedBytes: number | undefined;
  /** What a person should know although it could be read; one line each. */
  readonly warnings: readonly string[];
  close(): void;
}

type Content = Pick<OpenContent, "kind" | "roots" | "warnings">;

/** The name of a generation's second tree: what the kernel unpacks. */
export const FIRST_STAGE_ROOT = "first-stage";

/** The name of a disk's EFI system partition. */
const ESP_ROOT = "esp";

const CPIO_START = "07070";
const INITRD_SECTION = ".initrd";
/** How many bytes an error shows of what is unknown. */
const SHOWN_BYTES = 8;

/**
 * Opens anything that is a file tree, told by its content: an initrd or cpio archive, an EROFS image, a FAT volume, a disk or DDI
 * with partitions of these, a unified kernel image, a generation's folder, or any other folder.
 * @throws UsageError when it cannot be read, FormatError when it is damaged or something else.
 */
export async function openContent(path: string): Promise<OpenContent> {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  if (isFolder && !isGeneration(path)) {
    const tree = readHostTree(path);
    const roots = [{ name: "", tree, knowsXattrs: false }] as const;
    return { path, kind: "folder", roots, warnings: [], storedBytes: undefined, close: () => undefined };
  }
  if (isFolder) return openGeneration(path);
  const source = new FileSource(path, "the file");
  try {
    const content = await inFile(path, () => readContent(source));
    return { path, storedBytes: source.size, ...content, close: () => source.close() };
  } catch (cause) {
    source.close();
    throw cause;
  }
}

function isGeneration(folder: string): boolean {
  return [GENERATION_FILES.manifest, GENERATION_FILES.image].every((name) => existsSync(join(folder, name)));
}

async function openGeneration(folder: string): Promise<OpenContent> {
  const generation = readGeneration(folder);
  const image = await openContent(generation.path("image"));
  try {
    const firstStage = await openContent(generation.path("firstStage"));
    // An archive is in memory: its file is not needed any more.
    firstStage.close();
    return {
      ...image,
      path: folder,
      kind: "generation",
      roots: [...image.roots, { ...firstStage.roots[0], name: FIRST_STAGE_ROOT }],
      warnings: [...image.warnings, ...firstStage.warnings, ...layerWarnings(generation.manifest.image)],
    };
  } catch (cause) {
    image.close();
    throw cause;
  }
}

function layerWarnings({ base }: Manifest["image"]): string[] {
  if (base === undefined) return [];
  return [
    `the image holds only what differs from ${describeBase(base)}: ${OPTIONAL_FILES.leftOut} lists what it lacks`,
  ];
}

async function readContent(source: FileSource): Promise<Content> {
  const head = headOf(source);
  if (isErofs(head)) return { kind: "erofs", roots: [await erofsRoot("", source)], warnings: [] };
  if (isFat(head)) return readFatVolume(source);
  if (diskReader.matches(head, { path: source.path, source })) return readDisk(source);
  if (isPe(head)) return readUki(source);
  const isArchive = byteStringFrom(head.subarray(0, CPIO_START.length)) === CPIO_START;
  if (isArchive || detectCompression(head) !== undefined) return readArchive(source, "initramfs");
  const foreign = foreignName(head);
  const start = head.length === 0 ? "is empty" : `begins with 0x${toHex(head.subarray(0, SHOWN_BYTES))}`;
  const known =
    "an initrd or cpio archive, an EROFS image, a FAT volume, a GPT disk, a unified kernel image, a generation, a folder";
  throw new FormatError(
    `Cannot find a file tree: it ${start}${foreign === undefined ? "" : `, it looks like ${foreign}`}; known are ${known}`,
    { format: "file" },
  );
}

async function readArchive(source: ByteSource, kind: "initramfs" | "uki"): Promise<Content> {
  const initramfs = await readInitramfs(source);
  const { tree, warnings } = treeOfInitramfs(initramfs);
  const lines = warnings.map(({ name, message }) => `${toText(name)}: ${message}`);
  return { kind, roots: [{ name: "", tree, knowsXattrs: true }], warnings: [...initramfs.warnings, ...lines] };
}

async function readUki(source: ByteSource): Promise<Content> {
  const section = sectionNamed(readPe(source), INITRD_SECTION);
  if (section !== undefined) return readArchive(sectionSource(source, section), "uki");
  throw new FormatError(`Cannot find a file tree in this EFI program: it has no section ${INITRD_SECTION}`, {
    format: "pe",
  });
}

function readFatVolume(source: ByteSource): Content {
  const content = readFat(source);
  return { kind: "fat", roots: [fatRoot("", content)], warnings: content.warnings };
}

/** The EROFS and FAT partitions of a disk: the root partition first, then in the order of the table, EROFS before FAT. */
async function readDisk(source: ByteSource): Promise<Content> {
  const { partitions, warnings } = readGpt(source);
  const isRoot = (typeGuid: string): boolean => verityPartitionType(typeGuid)?.designator === "root";
  const parts = partitions.map((partition) => ({ partition, part: partitionSource(source, partition) }));
  const erofs = parts
    .filter(({ part }) => isErofs(headOf(part)))
    .sort((a, b) => Number(isRoot(b.partition.typeGuid)) - Number(isRoot(a.partition.typeGuid)));
  const fat = parts.filter(({ part }) => isFat(headOf(part)));
  const roots: Root[] = [];
  const nameOf = ({ number, typeName }: Partition): string => {
    if (roots.length === 0) return "";
    const isFree = typeName === ESP_ROOT && roots.every(({ name }) => name !== ESP_ROOT);
    return isFree ? ESP_ROOT : `partition-${number}`;
  };
  for (const { partition, part } of erofs) roots.push(await erofsRoot(nameOf(partition), part));
  const damage: string[] = [];
  for (const { partition, part } of fat) {
    const content = readFat(part);
    roots.push(fatRoot(nameOf(partition), content));
    damage.push(...content.warnings.map((warning) => `partition ${partition.number}: ${warning}`));
  }
  const [first, ...others] = roots;
  if (first === undefined)
    throw new FormatError("Cannot find a file tree: no partition holds an EROFS image or a FAT volume", {
      format: "gpt",
    });
  return { kind: "disk", roots: [first, ...others], warnings: [...warnings, ...damage] };
}

function fatRoot(name: string, content: FatContent): Root {
  return { name, tree: fatTree(content), knowsXattrs: true };
}

async function erofsRoot(name: string, source: ByteSource): Promise<Root> {
  return { name, tree: (await openErofs(source)).tree(), knowsXattrs: true };
}

/** Opens what `path` names, and closes it when `use` is done. */
export async function withContent<T>(path: string, use: (content: OpenContent) => T | Promise<T>): Promise<T> {
  const content = await openContent(path);
  try {
    return await inFile(path, () => use(content));
  } finally {
    content.close();
  }
}

/** The tree that a root's name stands for. @throws UsageError when there is none of that name. */
export function rootNamed(content: OpenContent, name: string): Root {
  const root = content.roots.find((candidate) => candidate.name === name);
  if (root !== undefined) return root;
  const names = content.roots.flatMap((candidate) => (candidate.name === "" ? [] : [`${candidate.name}:`]));
  throw new UsageError(`Cannot find ${name}: in ${content.path}`, {
    hint:
      names.length === 0
        ? "it has one tree only: leave out what stands before the colon"
        : `it has ${names.join(", ")}`,
  });
}

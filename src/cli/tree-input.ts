import { type InputSource, LOCAL_FILES } from "../build/index.ts";
import { type ByteSink, MemorySource, sharedBytes, UsageError } from "../bytes/index.ts";
import { openContent } from "../content/index.ts";
import { encodeCpio } from "../formats/cpio/index.ts";
import { type OpenSource, type OutputFolder, openSharedInput } from "../host/index.ts";
import type { Tree } from "../tree/index.ts";

/** What a generation is made from: an initrd, or something that holds a file tree. */
export interface ContentFlags {
  readonly initrd?: string;
  readonly tree?: string;
}

/** The archive of what is to be split. */
export interface OpenArchive extends InputSource {
  readonly source: OpenSource;
  /** What a person should know of it; one line each. */
  readonly warnings: readonly string[];
  /** Leaves beside a generation what `lazyrd boot --classic` needs. */
  link(output: OutputFolder): void;
}

/**
 * Opens what `--initrd` or `--tree` names.
 * @throws UsageError when there is not exactly one of them, or it cannot be read; FormatError when it holds no file tree.
 */
export async function openArchive({ initrd, tree }: ContentFlags): Promise<OpenArchive> {
  if (initrd !== undefined && tree === undefined) {
    const source = openSharedInput(initrd, "the initrd");
    return { path: initrd, source, warnings: [], link: (output) => output.link(LOCAL_FILES.classicInitrd, initrd) };
  }
  if (tree !== undefined && initrd === undefined) return openTree(tree);
  throw new UsageError("Cannot tell what to build from: expected either --initrd or --tree", {
    hint: "--initrd takes the archive that the machine boots with, --tree a folder or image with an operating system",
  });
}

/** A folder, or the first tree of an image, as an archive in memory. */
async function openTree(path: string): Promise<OpenArchive> {
  const content = await openContent(path);
  try {
    const { tree } = content.roots[0];
    const withAttributes = countAttributes(tree);
    const lost = `${path}: extended attributes of ${withAttributes} entries are not taken over; see image.capabilities and image.file-contexts`;
    return {
      path,
      source: Object.assign(new MemorySource(archiveOf(tree)), { close: () => undefined }),
      warnings: [...content.warnings, ...(withAttributes > 0 ? [lost] : [])],
      link: () => undefined, // there is no initrd to compare with
    };
  } finally {
    content.close();
  }
}

/** Twice: to know how large it is, and into memory of that size, which threads can share. */
function archiveOf(tree: Tree): Uint8Array {
  let length = 0;
  const measure: ByteSink = {
    write(bytes) {
      length += bytes.length;
    },
  };
  encodeCpio(tree, measure, { xattrs: "drop" });
  const archive = sharedBytes(length);
  let offset = 0;
  const emit: ByteSink = {
    write(bytes) {
      archive.set(bytes, offset);
      offset += bytes.length;
    },
  };
  encodeCpio(tree, emit, { xattrs: "drop" });
  return archive;
}

function countAttributes(tree: Tree): number {
  let count = 0;
  for (const { node } of tree.walk()) if (node.xattrs.size > 0) count++;
  return count;
}

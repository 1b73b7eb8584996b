import type { Metadata } from "../../tree/index.ts";
import { encodeLabel } from "./boot-sector.ts";
import type { CollectedDirectory, CollectedItem } from "./collect.ts";
import { ATTRIBUTE, DirectoryEntry } from "./layout.ts";
import { encodeLongName } from "./long-name.ts";
import { encodeShortName, shortNameChecksum } from "./short-name.ts";
import { encodeTimes } from "./time.ts";

const WRITE_PERMISSIONS = 0o222;
const HIGH_SHIFT = 16;
const LOW_MASK = 0xffff;

export interface DirectoryContext {
  /** 0 for an empty file. */
  readonly firstClusterOf: (item: CollectedItem) => number;
  /** Of the volume: an entry of the root directory. */
  readonly label: string | undefined;
}

/** The entries of a directory, in order, without what fills its last cluster. */
export function encodeDirectory(directory: CollectedDirectory, context: DirectoryContext): Uint8Array {
  const { node, parent, entries } = directory;
  const { firstClusterOf, label } = context;
  const parts: Uint8Array[] = [];
  if (parent !== undefined) {
    parts.push(encodeEntry(".", node, ATTRIBUTE.DIRECTORY, firstClusterOf(directory)));
    // To the root leads 0, wherever the root is.
    const cluster = parent.parent === undefined ? 0 : firstClusterOf(parent);
    parts.push(encodeEntry("..", parent.node, ATTRIBUTE.DIRECTORY, cluster));
  } else if (label !== undefined) {
    const times = encodeTimes(node.mtime);
    parts.push(DirectoryEntry.encode({ DIR_Name: encodeLabel(label), DIR_Attr: ATTRIBUTE.VOLUME_ID, ...times }));
  }
  for (const { short, long, item } of entries) {
    if (long !== undefined) parts.push(encodeLongName(long, shortNameChecksum(encodeShortName(short))));
    const isDirectory = "entries" in item;
    const kind = isDirectory ? ATTRIBUTE.DIRECTORY : ATTRIBUTE.ARCHIVE;
    const size = isDirectory ? 0 : item.node.content.size;
    parts.push(encodeEntry(short, item.node, kind, firstClusterOf(item), size));
  }
  return Buffer.concat(parts);
}

function encodeEntry(name: string, node: Metadata, kind: number, firstCluster: number, size = 0): Uint8Array {
  // As Linux does when it changes the mode of a file on FAT. Of directories, the bit has other meanings.
  const isReadOnly = kind === ATTRIBUTE.ARCHIVE && (node.permissions & WRITE_PERMISSIONS) === 0;
  return DirectoryEntry.encode({
    DIR_Name: encodeShortName(name),
    DIR_Attr: kind | (isReadOnly ? ATTRIBUTE.READ_ONLY : 0),
    ...encodeTimes(node.mtime),
    DIR_FstClusHI: firstCluster >>> HIGH_SHIFT,
    DIR_FstClusLO: firstCluster & LOW_MASK,
    DIR_FileSize: size,
  });
}

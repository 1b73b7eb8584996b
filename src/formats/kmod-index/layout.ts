import { type Field, struct } from "../../bytes/index.ts";

// kmod's index files, modules.*.bin: kmod, libkmod/libkmod-index.h and tools/depmod.c. All numbers are big-endian.

const u32be = (offset: number): Field<number> => ({
  offset,
  size: 4,
  get: (view) => view.getUint32(offset, false),
  set: (view, value) => view.setUint32(offset, value, false),
});

export const INDEX_MAGIC = 0xb007f457;
export const INDEX_VERSION_MAJOR = 2;
export const INDEX_VERSION_MINOR = 1;
/** Readers refuse another major version and accept any minor one. */
export const VERSION_MAJOR_SHIFT = 16;

export const IndexHeader = struct("index_mm header", 12, {
  magic: u32be(0),
  version: u32be(4),
  /** Of the root node, as in a child's place. */
  root: u32be(8),
});

/** The u32 that stand inside of nodes: offsets of children, numbers of values, priorities. */
export const IndexNumber = struct("index u32", 4, { value: u32be(0) });

/** What a node has stands in the offset by which it is found, not in the node. */
export const INDEX_NODE_PREFIX = 0x80000000;
export const INDEX_NODE_VALUES = 0x40000000;
export const INDEX_NODE_CHILDS = 0x20000000;
export const INDEX_NODE_MASK = 0x0fffffff;

/** Keys are ASCII: children have characters below this. */
export const INDEX_CHILDMAX = 128;

/** Where things stand in the module's memory. The operating system provides pages only once they are used. */
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/**
 * The last place of each hash, its lowest 16 bits (see fast.ts). With more than these 32 KiB, most of the time goes into
 * waiting for the second level of the processor's cache.
 */
export const RECENT: usize = 64 * KIB;
export const RECENT_BITS: u32 = 14;
export const RECENT_BYTES: usize = 2 << RECENT_BITS;

/** The last place of each hash, by address (see high.ts). */
export const HEADS: usize = RECENT + RECENT_BYTES;
export const HEADS_BITS: u32 = 15;
export const HEADS_BYTES: usize = 4 << HEADS_BITS;

/** For each place of the last 64 KiB two others, by address (see high.ts). */
export const TREES: usize = HEADS + HEADS_BYTES;
const TREES_BYTES: usize = 512 * KIB;

/** The decoded size of an encoded block is limited: Linux decodes all of it in front of the byte that is wanted. */
export const MAX_DECODED: usize = 2 * MIB;

/** For each place of a block what leads there (see high.ts). */
export const NODES: usize = TREES + TREES_BYTES;
export const NODE_BYTES: usize = 16;
const NODES_BYTES: usize = (MAX_DECODED + 1) * NODE_BYTES;

export const OUTPUT: usize = (NODES + NODES_BYTES + 15) & ~15;
export const OUTPUT_BYTES: usize = 1 * MIB;

export const INPUT: usize = OUTPUT + OUTPUT_BYTES;
export const INPUT_BYTES: usize = 4 * MIB;

/** Loads of eight bytes may begin at the last byte of the input. */
const SLACK: usize = 64;
export const MEMORY_PAGES: u32 = <u32>((INPUT + INPUT_BYTES + SLACK + 0xffff) >> 16);

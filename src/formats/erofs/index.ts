export type { ContentPlanner, StoredContent } from "./content.ts";
export { describeSuperblock, dumpDescription, type ErofsDescription } from "./describe.ts";
export { dumpErofs } from "./dump.ts";
export { type ErofsEntry, listErofs } from "./list.ts";
export { type Erofs, readErofs } from "./read.ts";
export { type ErofsSuperblock, readSuperblock } from "./superblock.ts";
export { type ErofsOptions, type ErofsPlan, encodeErofs, planErofs } from "./write.ts";

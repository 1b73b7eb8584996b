export type { Bootconfig } from "./bootconfig.ts";
export * from "./dump.ts";
export * from "./entry.ts";
export { type ContentRange, contentsSoFar } from "./extent.ts";
export * from "./initramfs.ts";
export { parseCpio } from "./read.ts";
export * from "./unpack.ts";
export * from "./write.ts";

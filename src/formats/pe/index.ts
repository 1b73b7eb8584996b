export * from "./certificates.ts";
export * from "./checksum.ts";
export * from "./digest.ts";
export { NX_COMPATIBLE } from "./layout.ts";
export * from "./read.ts";
export * from "./write.ts";

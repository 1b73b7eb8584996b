export * from "./dump.ts";
export * from "./geometry.ts";
export { type BlockHashing, hashBlocks } from "./hash-blocks.ts";
export { DIGEST_SIZES, type VerityAlgorithm, VeritySuperblock } from "./layout.ts";
export * from "./read.ts";
export * from "./table.ts";
export * from "./version.ts";
export * from "./write.ts";

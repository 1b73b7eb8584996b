export * from "./layout.ts";
export { type IndexEntry, type IndexValue, parseKmodIndex } from "./read.ts";
export * from "./write.ts";

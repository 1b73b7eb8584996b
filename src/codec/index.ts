export * from "./lz4.ts";

export * from "./layout.ts";
export * from "./read.ts";

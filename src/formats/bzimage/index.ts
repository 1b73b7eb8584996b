export * from "./layout.ts";
export * from "./pe.ts";
export * from "./read.ts";

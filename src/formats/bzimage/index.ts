export * from "./layout.ts";
export * from "./payload.ts";
export * from "./read.ts";

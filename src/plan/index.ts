export * from "./accelerators.ts";
export * from "./buses.ts";
export * from "./compile.ts";
export * from "./explain.ts";
export * from "./patterns.ts";
export * from "./select.ts";
export * from "./text.ts";
export * from "./types.ts";

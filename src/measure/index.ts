export { addContent, contentBytesOf } from "./content.ts";
export * from "./repeat.ts";
export * from "./summary.ts";
export * from "./text.ts";
export * from "./types.ts";
export * from "./variants.ts";

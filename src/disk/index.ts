export * from "./esp.ts";
export * from "./file-partition.ts";
export * from "./loader-entry.ts";
export * from "./make.ts";
export * from "./plan.ts";
export { type OpenRoot, openRoot } from "./root.ts";
export * from "./usr.ts";

export * from "./layout.ts";
export * from "./modinfo.ts";
export * from "./read.ts";
export * from "./signature.ts";
export * from "./slim.ts";

export * from "./dump.ts";
export * from "./identity.ts";
export * from "./read.ts";
export * from "./signature.ts";
export * from "./write.ts";

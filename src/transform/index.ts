export * from "./against.ts";
export * from "./capabilities.ts";
export { withNode } from "./copy.ts";
export * from "./digest.ts";
export * from "./file-contexts.ts";
export * from "./laid-over.ts";
export * from "./report.ts";
export * from "./transform.ts";
export type { ModulePreparation } from "./unpack-modules.ts";

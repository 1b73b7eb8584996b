export * from "./build.ts";
export * from "./config.ts";
export * from "./first-stage.ts";
export * from "./generation.ts";
export * from "./manifest.ts";
export { detectNextStage } from "./next-stage.ts";
export * from "./progress.ts";
export type { ModuleTree } from "./sources.ts";

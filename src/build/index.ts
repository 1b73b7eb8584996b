export * from "./build.ts";
export * from "./config.ts";
export * from "./generation.ts";
export * from "./manifest.ts";

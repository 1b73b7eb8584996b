export * from "./batch.ts";
export * from "./block-store.ts";
export * from "./compressor.ts";
export * from "./encoders.ts";
export * from "./image.ts";
export * from "./requirements.ts";
export * from "./settings.ts";
export * from "./tree.ts";

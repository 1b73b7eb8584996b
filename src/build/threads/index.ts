export * from "./jobs.ts";
export * from "./pool.ts";
export * from "./shared.ts";

export * from "./rows.ts";
export * from "./sizes.ts";
export * from "./version.ts";

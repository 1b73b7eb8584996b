export * from "./rows.ts";
export * from "./sizes.ts";

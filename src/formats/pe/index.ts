export * from "./read.ts";

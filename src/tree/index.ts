export * from "./node.ts";
export * from "./tree.ts";

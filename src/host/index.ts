export * from "./files.ts";
export * from "./host-devices.ts";
export * from "./host-tree.ts";
export * from "./interrupt.ts";
export * from "./output-folder.ts";
export * from "./package-files.ts";
export * from "./write-tree.ts";

export * from "./milestones.ts";
export * from "./qemu.ts";
export * from "./run.ts";
export * from "./timeline.ts";
export * from "./types.ts";

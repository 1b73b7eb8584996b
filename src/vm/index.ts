export * from "./milestones.ts";
export { Monitor, type MonitorEvent } from "./monitor.ts";
export { findOvmf } from "./ovmf.ts";
export * from "./qemu.ts";
export { type RecordOptions, recordMachine } from "./record.ts";
export * from "./run.ts";
export * from "./timeline.ts";
export * from "./types.ts";
export { qemuVersion } from "./version.ts";

export * from "./describe.ts";
export * from "./dump.ts";
export { BANKS, type Bank, EVENT_TYPES, PCR_COUNT, TaggedEvent, VariableData } from "./layout.ts";
export * from "./pcr-signature.ts";
export * from "./policy.ts";
export * from "./read.ts";
export * from "./replay.ts";
export * from "./userspace-log.ts";
export * from "./write.ts";

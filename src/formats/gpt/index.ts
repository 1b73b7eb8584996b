export * from "./attributes.ts";
export * from "./dump.ts";
export {
  DEFAULT_ALIGNMENT,
  DEFAULT_SECTOR_SIZE,
  GptEntry,
  GptHeader,
  MAX_NAME_UNITS,
  ProtectiveMbr,
} from "./layout.ts";
export * from "./plan.ts";
export * from "./read.ts";
export * from "./types.ts";
export * from "./write.ts";

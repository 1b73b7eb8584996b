export * from "./byte-source.ts";
export * from "./byte-string.ts";
export * from "./crc.ts";
export * from "./errors.ts";
export * from "./guid.ts";
export * from "./hex.ts";
export * from "./integers.ts";
export * from "./struct.ts";

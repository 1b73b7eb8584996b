export * from "./describe.ts";
export * from "./dump.ts";
export type { FatGeometry } from "./geometry.ts";
export {
  BootSector,
  BootSector16,
  BootSector32,
  DirectoryEntry,
  type FatType,
  FsInfo,
  LongNameEntry,
} from "./layout.ts";
export * from "./read.ts";
export { type FatVolume, isFat, readFatVolume } from "./volume.ts";
export * from "./write.ts";

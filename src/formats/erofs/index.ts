export type { ErofsCompression } from "./compress-config.ts";
export { type CompressedFile, type CompressionAlgorithm, compressedFiles } from "./compress-content.ts";
export {
  type CompressedPiece,
  compressPiece,
  type EncodedRun,
  PIECE_BYTES,
  type PieceEncoder,
  type PieceOptions,
} from "./compress-piece.ts";
export type { ContentPlanner, StoredContent } from "./content.ts";
export { extentsOf } from "./content-reader.ts";
export { BUILT_IN_DECODERS, type ExtentDecoders, loadExtentDecoders } from "./decoders.ts";
export { describeSuperblock, dumpDescription, type ErofsDescription } from "./describe.ts";
export { dumpErofs } from "./dump.ts";
export type { Extent, InodeContent } from "./extent.ts";
export { type ErofsEntry, listErofs } from "./list.ts";
export { type Erofs, openErofs, readErofs } from "./read.ts";
export { type ErofsSuperblock, readSuperblock } from "./superblock.ts";
export { type ErofsOptions, type ErofsPlan, encodeErofs, planErofs } from "./write.ts";

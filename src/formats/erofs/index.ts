export type { ErofsCompression } from "./compress-config.ts";
export { type CompressionAlgorithm, compressedFiles } from "./compress-content.ts";
export {
  type CompressedPiece,
  compressPiece,
  type EncodedRun,
  type PackedPiece,
  PIECE_BYTES,
  type PieceEncoder,
  type PieceOptions,
  type PieceTail,
} from "./compress-piece.ts";
export { type CompressedFile, type FilePiece, piecesOfParts } from "./compress-runs.ts";
export type { BlockRun, ContentPlanner, FilePlace, StoredContent } from "./content.ts";
export { extentsOf } from "./content-reader.ts";
export { cutFile, type FilePart, type HotRange } from "./cut.ts";
export { BUILT_IN_DECODERS, type ExtentDecoders, loadExtentDecoders } from "./decoders.ts";
export { describeSuperblock, dumpDescription, type ErofsDescription } from "./describe.ts";
export { dumpErofs } from "./dump.ts";
export { type EqualFiles, findEqualFiles } from "./equal-files.ts";
export type { Extent, InodeContent } from "./extent.ts";
export { type ErofsEntry, listErofs } from "./list.ts";
export { type Erofs, openErofs, readErofs } from "./read.ts";
export { type ReadOrder, readOrder, wholeFile } from "./read-order.ts";
export type { ErofsRegion, RegionOwner } from "./regions.ts";
export { type ErofsSuperblock, readSuperblock } from "./superblock.ts";
export { type ErofsOptions, type ErofsPlan, encodeErofs, planErofs } from "./write.ts";

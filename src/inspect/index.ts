export { diskReader } from "./disk.ts";
export { isErofs } from "./erofs.ts";
export { inspectGeneration } from "./generation.ts";
export { type ListedEntry, listingFacts, listingLines } from "./listing.ts";
export { foreignName, HEAD_BYTES, headOf } from "./part-content.ts";
export { inspectFile, READERS } from "./recognise.ts";
export type { InspectedFile, Inspection, Listing, Reader } from "./types.ts";
export { type VerifiableTree, verifyTree } from "./verify.ts";

export { inspectGeneration } from "./generation.ts";
export { listingFacts, listingLines } from "./listing.ts";
export { inspectFile, READERS } from "./recognise.ts";
export type { InspectedFile, Inspection, Listing, Reader } from "./types.ts";

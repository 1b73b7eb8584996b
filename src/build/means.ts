import type { OutputFolder } from "../host/index.ts";
import type { CompressionMeans, ImageCompressor } from "./compress/index.ts";

/** What building takes. */
export interface BuildMeans extends CompressionMeans {
  /** Undefined where files stay as they are. */
  readonly compressor: ImageCompressor | undefined;
  readonly output: OutputFolder;
}

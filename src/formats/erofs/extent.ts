import type { ByteSource } from "../../bytes/index.ts";
import type { AlgorithmName } from "./compressed-header.ts";

/** A part of a file: where its bytes stand in the image, or a hole. */
export interface Extent {
  /** In the file. */
  readonly start: number;
  readonly length: number;
  /** In the image; undefined for a hole, which reads as zeros. */
  readonly offset: number | undefined;
  /** Bytes in the image that it is read from: those of a whole physical cluster where it is compressed. */
  readonly storedBytes: number;
  readonly kind: "plain" | "hole" | AlgorithmName;
  /** It stands in the packed inode, together with parts of other files. */
  readonly fragment: boolean;
}

/** The content of an inode; it knows where in the image its bytes stand. */
export interface InodeContent extends ByteSource {
  /**
   * The parts in order, without gaps; all of them lie inside the image. With `start` and `end`, only those that hold
   * bytes between the two, whole.
   * @throws FormatError when the map is not sound.
   */
  extents(start?: number, end?: number): Iterable<Extent>;
}

/** What the plan must know of an image; the root hash is known last. */
export interface ImageFacts {
  /** GUIDs of the partitions that hold the data and the hashes. */
  readonly dataPartition: string;
  readonly hashPartition: string;
  /** Where these two begin in the image's file. Whole blocks of 4096 bytes. */
  readonly dataOffsetBytes: number;
  readonly hashOffsetBytes: number;
  /** Of the image's file. */
  readonly sizeBytes: number;
  readonly rootHash: string;
  /** Hexadecimal, may be empty. */
  readonly salt: string;
  readonly dataBlocks: number;
  /** In hash blocks from the start of the hash partition. */
  readonly hashStartBlock: number;
  /** How much of the data's start a boot is known to need, nearly all of it; undefined where that is not known. */
  readonly prefetchBytes?: number | undefined;
}

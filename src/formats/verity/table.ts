import { toHex, UsageError } from "../../bytes/index.ts";
import { planVerity } from "./geometry.ts";
import { DM_SECTOR_SIZE, HASH_TYPE_NORMAL } from "./layout.ts";
import type { VerityParameters } from "./write.ts";

/** What the kernel does when a block has the wrong hash. Without an option the read fails with EIO. */
export type OnCorruption = "error" | "ignore" | "restart" | "panic";
/** What the kernel does when a block cannot be read (Linux 6.12 and later). */
export type OnError = "error" | "restart" | "panic";

/** Optional words of the table line; drivers/md/dm-verity-target.c. */
export interface VerityTableOptions {
  readonly onCorruption?: OnCorruption | undefined;
  readonly onError?: OnError | undefined;
  /** Blocks whose expected content is all zeroes are not read at all. */
  readonly ignoreZeroBlocks?: boolean | undefined;
  /** Check each block only when it is read for the first time: less work, no protection against later changes. */
  readonly checkAtMostOnce?: boolean | undefined;
  readonly tryVerifyInTasklet?: boolean | undefined;
  /** Description of the `user` key that holds the root hash's PKCS#7 signature. */
  readonly rootHashSigKeyDesc?: string | undefined;
}

const ON_CORRUPTION_WORDS: Readonly<Record<OnCorruption, readonly string[]>> = {
  error: [],
  ignore: ["ignore_corruption"],
  restart: ["restart_on_corruption"],
  panic: ["panic_on_corruption"],
};

const ON_ERROR_WORDS: Readonly<Record<OnError, readonly string[]>> = {
  error: [],
  restart: ["restart_on_error"],
  panic: ["panic_on_error"],
};

/** A tree and the devices that hold it: paths, or `major:minor`. */
export interface VerityTable extends Pick<VerityParameters, "algorithm" | "dataBlockSize" | "hashBlockSize" | "salt"> {
  readonly dataDevice: string;
  readonly hashDevice: string;
  readonly dataBlocks: number;
  readonly rootHash: Uint8Array;
  /** Hash blocks before the tree; by default the superblock's. */
  readonly hashStartBlock?: number | undefined;
}

/**
 * The parameters of the device mapper's `verity` target, one line without a line feed.
 * @throws UsageError when a device or key name holds white space, which the kernel would take for two words.
 */
export function verityTableParams(table: VerityTable, options: VerityTableOptions = {}): string {
  const words = [
    ...(ON_CORRUPTION_WORDS[options.onCorruption ?? "error"] ?? []),
    ...(ON_ERROR_WORDS[options.onError ?? "error"] ?? []),
    ...(options.ignoreZeroBlocks === true ? ["ignore_zero_blocks"] : []),
    ...(options.checkAtMostOnce === true ? ["check_at_most_once"] : []),
    ...(options.tryVerifyInTasklet === true ? ["try_verify_in_tasklet"] : []),
    ...(options.rootHashSigKeyDesc === undefined
      ? []
      : ["root_hash_sig_key_desc", oneWord(options.rootHashSigKeyDesc)]),
  ];
  return [
    HASH_TYPE_NORMAL,
    oneWord(table.dataDevice),
    oneWord(table.hashDevice),
    table.dataBlockSize,
    table.hashBlockSize,
    table.dataBlocks,
    table.hashStartBlock ?? planVerity(table.dataBlocks, table).hashStartBlock,
    table.algorithm,
    toHex(table.rootHash),
    table.salt.length === 0 ? "-" : toHex(table.salt),
    ...(words.length === 0 ? [] : [words.length, ...words]),
  ].join(" ");
}

/** The length of the mapped device in the device mapper's sectors of 512 bytes. */
export function verityTargetSectors(tree: Pick<VerityTable, "dataBlocks" | "dataBlockSize">): number {
  return (tree.dataBlocks * tree.dataBlockSize) / DM_SECTOR_SIZE;
}

function oneWord(text: string): string {
  if (!/^\S+$/.test(text)) {
    throw new UsageError(`Cannot use ${JSON.stringify(text)} in a device-mapper table`, {
      hint: "Use a name without spaces",
    });
  }
  return text;
}

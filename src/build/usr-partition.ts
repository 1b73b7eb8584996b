import { createHash } from "node:crypto";
import { chunksOf, FormatError, toHex, UsageError } from "../bytes/index.ts";
import { readDdi } from "../formats/ddi/index.ts";
import { openErofs } from "../formats/erofs/index.ts";
import type { VerifiedPartition } from "../plan/index.ts";
import type { Tree } from "../tree/index.ts";
import type { InputSource } from "./inputs.ts";

const EROFS = "erofs";

/**
 * What is in the /usr on a disk image, to be compared with what an image has left out.
 * @throws UsageError when that cannot be read.
 */
export async function usrTreeOf({ path, source }: InputSource, fileSystem: string): Promise<Tree> {
  if (fileSystem !== EROFS) {
    throw new UsageError(`Cannot leave out of the image what ${path} has: expected EROFS, got ${fileSystem}`, {
      hint: "use EROFS for /usr, or leave image.against (--against) away",
    });
  }
  const usr = readDdi(source).trees.find(({ designator }) => designator === "usr");
  if (usr === undefined) throw new FormatError(`Cannot find /usr in ${path}`, { format: "DDI" });
  return (await openErofs(usr.data.source)).tree();
}

/** What a plan must know of the /usr on a disk image. @throws FormatError, UsageError when it has none that can be verified. */
export function usrPartitionOf({ path, source }: InputSource): VerifiedPartition {
  const { trees } = readDdi(source);
  const [usr, ...others] = trees.filter(({ designator }) => designator === "usr");
  if (usr?.verity === undefined || others.length > 0) {
    throw new UsageError(`Cannot use ${path} as /usr: expected exactly one usr partition with its hashes`, {
      hint: "partitions of the types usr and usr-verity, with GUIDs that are the root hash, as systemd-repart and lazyrd make them",
    });
  }
  const { data, verity } = usr;
  const { info, rootHash } = verity;
  return {
    dataPartition: data.partition.partitionGuid,
    hashPartition: verity.partition.partitionGuid,
    rootHash: toHex(rootHash),
    salt: toHex(info.salt),
    dataBlocks: info.dataBlocks,
    hashStartBlock: info.geometry.hashStartBlock,
  };
}

/**
 * Whether /usr holds the image, where that can be told: a reason why not, or undefined.
 * @param file - its path below /usr, and what it must hold
 */
export async function whyNotInUsr(
  { path, source }: InputSource,
  fileSystem: string,
  file: { readonly path: string; readonly sha256: string },
): Promise<string | undefined> {
  const advice = `put image.raw there, make /usr anew, and build again: the image stays the same`;
  if (fileSystem !== EROFS)
    return `whether ${path} holds ${file.path} cannot be told of a ${fileSystem}; if not, ${advice}`;
  const tree = await usrTreeOf({ path, source }, fileSystem);
  const node = tree.get(file.path.slice(1));
  if (node?.kind !== "file") return `${path} does not hold ${file.path}: ${advice}`;
  const hash = createHash("sha256");
  for (const chunk of chunksOf(node.content)) hash.update(chunk);
  return hash.digest("hex") === file.sha256 ? undefined : `${file.path} in ${path} is another image: ${advice}`;
}

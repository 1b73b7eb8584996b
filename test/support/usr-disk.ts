import { type ByteSink, toHex } from "../../src/bytes/index.ts";
import { planDdi, writeDdi } from "../../src/formats/ddi/index.ts";
import { encodeErofs } from "../../src/formats/erofs/index.ts";
import type { Tree } from "../../src/tree/index.ts";

const UUID = "145abf5b-6a0f-4ed6-a9fb-0123456789ab";

/** A disk with a file system on partitions of its own, with its hashes. */
export interface UsrDisk {
  readonly bytes: Uint8Array;
  readonly rootHash: string;
}

/** The disk of a /usr that is EROFS. */
export function usrDisk(tree: Tree, designator: "root" | "usr" = "usr"): UsrDisk {
  return usrDiskOf(encodeErofs(tree, { uuid: UUID }), designator);
}

/** The disk of a /usr that somebody else made, in whole blocks. */
export function usrDiskOf(content: Uint8Array, designator: "root" | "usr" = "usr"): UsrDisk {
  const plan = planDdi({
    designator,
    architecture: "x86-64",
    data: { sizeBytes: content.length, emit: (sink: ByteSink) => sink.write(content) },
    verity: { salt: Buffer.from("00ff", "hex"), uuid: UUID },
  });
  const bytes = new Uint8Array(plan.sizeBytes);
  const { tree } = writeDdi(plan, { writeAt: (offset, part) => bytes.set(part, offset) });
  return { bytes, rootHash: toHex(tree.rootHash) };
}

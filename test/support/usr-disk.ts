import { type ByteSink, toHex } from "../../src/bytes/index.ts";
import { planDdi, writeDdi } from "../../src/formats/ddi/index.ts";
import { encodeErofs } from "../../src/formats/erofs/index.ts";
import type { Tree } from "../../src/tree/index.ts";

const UUID = "145abf5b-6a0f-4ed6-a9fb-0123456789ab";

export interface UsrDisk {
  readonly bytes: Uint8Array;
  readonly rootHash: string;
}

/** A disk with an EROFS on partitions of its own, with its hashes. */
export function usrDisk(tree: Tree, designator: "root" | "usr" = "usr"): UsrDisk {
  const content = encodeErofs(tree, { uuid: UUID });
  const plan = planDdi({
    designator,
    architecture: "x86-64",
    data: { sizeBytes: content.length, emit: (sink: ByteSink) => sink.write(content) },
    verity: { salt: Buffer.from("00ff", "hex"), uuid: UUID },
  });
  const bytes = new Uint8Array(plan.sizeBytes);
  const { tree: hashes } = writeDdi(plan, { writeAt: (offset, part) => bytes.set(part, offset) });
  return { bytes, rootHash: toHex(hashes.rootHash) };
}

import { createHmac } from "node:crypto";
import { type ByteSource, customGuid, fromText, GUID_SIZE, type Guid, toHex } from "../bytes/index.ts";
import { type DdiOptions, planDdi, writeDdi } from "../formats/ddi/index.ts";
import { planErofs } from "../formats/erofs/index.ts";
import { OutputFile } from "../host/index.ts";
import { regularFile, Tree } from "../tree/index.ts";

/** An EROFS with nothing in it but an image, at its path below /usr. */
export function planUsrWithImage(path: string, image: ByteSource, seed: Uint8Array): DdiOptions["data"] {
  const tree = new Tree();
  tree.setWithParents(fromText(path.replace(/^\//, "")), regularFile(image));
  return planErofs(tree, { uuid: guid(seed, "file-system") });
}

/**
 * Writes a disk with a file system for /usr and its hashes, on partitions of their own, as systemd-repart makes them.
 * @param seed a digest of what is in it: salt and UUIDs follow from it
 * @returns the root hash, hexadecimal
 */
export function writeUsrDisk(data: DdiOptions["data"], seed: Uint8Array, path: string): string {
  const verity = { salt: derive(seed, "salt"), uuid: guid(seed, "verity") };
  const plan = planDdi({ designator: "usr", architecture: "x86-64", data, verity });
  const output = new OutputFile(path, { force: false });
  try {
    output.requireSpace(plan.sizeBytes);
    let rootHash = "";
    output.writeSparse(plan.sizeBytes, (file) => {
      rootHash = toHex(writeDdi(plan, file).tree.rootHash);
    });
    output.commit();
    return rootHash;
  } finally {
    output.discard();
  }
}

function guid(seed: Uint8Array, purpose: "file-system" | "verity"): Guid {
  return customGuid(derive(seed, purpose).subarray(0, GUID_SIZE));
}

function derive(seed: Uint8Array, purpose: string): Buffer {
  return createHmac("sha256", seed).update(`lazyrd-usr-${purpose}`, "latin1").digest();
}

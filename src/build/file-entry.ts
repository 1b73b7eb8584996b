import { createHash } from "node:crypto";
import { toHex } from "../bytes/index.ts";
import type { Manifest } from "./manifest.ts";

/** How a manifest names a file's content. */
export function fileEntry(bytes: Uint8Array): Manifest["files"][string] {
  return { sizeBytes: bytes.length, sha256: toHex(createHash("sha256").update(bytes).digest()) };
}

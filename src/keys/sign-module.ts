import { appendModuleSignature } from "../formats/elf-module/index.ts";
import { signDetachedAside } from "./signed-data.ts";
import type { Signer } from "./signer.ts";

/**
 * A kernel module with a signature as the kernel checks it (kernel/module/signing.c): over the module itself, without
 * attributes, which it refuses here. The same module and key give the same bytes.
 * @param module not compressed, without a signature
 */
export async function signModule(module: Uint8Array, signer: Signer): Promise<Uint8Array> {
  return appendModuleSignature(module, await signDetachedAside(module, signer));
}

import { KernelFault } from "./errno.ts";

/** security/keys/user_defined.c: the largest payload of a key of this type. */
const LARGEST_PAYLOAD = 32767;
/** linux/keyctl.h */
const KEY_SPEC_THREAD_KEYRING = -1;
const FIRST_SERIAL = 1000;

/** The keyring of the one thread there is. */
export class Keyrings {
  readonly #keys = new Map<string, Uint8Array>();

  /** add_key(2): the key's serial number. */
  add(type: string, description: string, payload: Uint8Array, keyring: number): number {
    if (type !== "user") throw new KernelFault("ENODEV");
    if (keyring !== KEY_SPEC_THREAD_KEYRING || description === "") throw new KernelFault("EINVAL");
    if (payload.length === 0 || payload.length > LARGEST_PAYLOAD) throw new KernelFault("EINVAL");
    this.#keys.set(description, payload.slice());
    return FIRST_SERIAL + this.#keys.size;
  }

  /** request_key(9) for the type "user". */
  request(description: string): Uint8Array {
    const payload = this.#keys.get(description);
    if (payload === undefined) throw new KernelFault("ENOKEY");
    return payload;
  }
}

import { byteStringBytes, byteStringFrom, FormatError } from "../../bytes/index.ts";
import { FORMAT, MAX_SALT_SIZE } from "./layout.ts";

/**
 * A version in the salt: the salt's own bytes, this text, the version, zeros.
 *
 * Every hash of the tree, and so the root hash, is one over the salt. Whoever signs the root hash signs the version, and
 * whoever opens the image knows it before a byte of the data is read (docs/security.md).
 */
const PREFIX = "version=";
const OWN_BYTES = 32;
/** sha256's blocks: a salt of whole ones costs nothing, for the kernel hashes it once. */
const ALIGNMENT = 64;

/** As the Version Format Specification (UAPI.10) has them. */
const VERSION = /^[A-Za-z0-9.~^-]+$/;

/** @param own 32 bytes. @throws FormatError when the version is none, or too long. */
export function saltWithVersion(own: Uint8Array, version: string): Uint8Array {
  const length = OWN_BYTES + PREFIX.length + version.length;
  if (!VERSION.test(version) || length > MAX_SALT_SIZE || own.length !== OWN_BYTES) {
    const room = MAX_SALT_SIZE - OWN_BYTES - PREFIX.length;
    const what = `expected at most ${room} letters, digits and .~^-`;
    throw new FormatError(`Cannot use "${version}" as a version: ${what}`, { format: FORMAT });
  }
  const salt = new Uint8Array(Math.ceil(length / ALIGNMENT) * ALIGNMENT);
  salt.set(own);
  salt.set(byteStringBytes(`${PREFIX}${version}`), OWN_BYTES);
  return salt;
}

/** The version that a salt names, or undefined. */
export function versionOfSalt(salt: Uint8Array): string | undefined {
  const text = byteStringFrom(salt.subarray(OWN_BYTES)).replace(/\0+$/, "");
  const version = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : "";
  return VERSION.test(version) ? version : undefined;
}

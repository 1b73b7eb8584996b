import { byteStringBytes, byteStringFrom, FormatError } from "../../bytes/index.ts";
import { MODULE_SIG_STRING, ModuleSignatureTrailer, PKEY_ID_PKCS7 } from "./layout.ts";

const FORMAT = "module signature";

export interface ModuleSignature {
  /** Bytes of the module proper: what the signature covers. */
  readonly signedLength: number;
  /** The PKCS#7 message in DER. */
  readonly signatureBytes: Uint8Array;
}

/**
 * The signature that `scripts/sign-file` appended to a module (not compressed), or undefined when there is none.
 * @throws FormatError when the trailer is there and the kernel would refuse it (kernel/module_signature.c).
 */
export function readModuleSignature(bytes: Uint8Array): ModuleSignature | undefined {
  const magicOffset = bytes.length - MODULE_SIG_STRING.length;
  if (magicOffset < 0 || byteStringFrom(bytes.subarray(magicOffset)) !== MODULE_SIG_STRING) return undefined;
  const trailerOffset = magicOffset - ModuleSignatureTrailer.size;
  if (trailerOffset < 0) {
    throw new FormatError("Cannot read the signature: the file ends before its trailer", { format: FORMAT, offset: 0 });
  }
  const trailer = ModuleSignatureTrailer.parse(bytes, trailerOffset);
  if (trailer.id_type !== PKEY_ID_PKCS7) {
    throw new FormatError(
      `Cannot read the signature: expected type ${PKEY_ID_PKCS7} (PKCS#7), got ${trailer.id_type}`,
      {
        format: FORMAT,
        offset: trailerOffset,
        field: "id_type",
      },
    );
  }
  if (trailer.algo !== 0 || trailer.hash !== 0 || trailer.signer_len !== 0 || trailer.key_id_len !== 0) {
    throw new FormatError("Cannot read the signature: expected zero in algo, hash, signer_len and key_id_len", {
      format: FORMAT,
      offset: trailerOffset,
    });
  }
  if (trailer.sig_len === 0 || trailer.sig_len > trailerOffset) {
    throw new FormatError(`Cannot read the signature: expected 1 to ${trailerOffset} bytes, got ${trailer.sig_len}`, {
      format: FORMAT,
      offset: trailerOffset,
      field: "sig_len",
    });
  }
  const signedLength = trailerOffset - trailer.sig_len;
  return { signedLength, signatureBytes: bytes.subarray(signedLength, trailerOffset) };
}

/**
 * The module without its signature: exactly what `scripts/sign-file` was given. A view, not a copy; a module that
 * is not signed comes back as it is.
 * @throws FormatError as `readModuleSignature` does.
 */
export function stripModuleSignature(bytes: Uint8Array): Uint8Array {
  const signature = readModuleSignature(bytes);
  return signature === undefined ? bytes : bytes.subarray(0, signature.signedLength);
}

/** The module with a signature over all of `module` behind it, as `scripts/sign-file` appends it. @param pkcs7 DER */
export function appendModuleSignature(module: Uint8Array, pkcs7: Uint8Array): Uint8Array {
  const trailer = ModuleSignatureTrailer.encode({ id_type: PKEY_ID_PKCS7, sig_len: pkcs7.length });
  return new Uint8Array(Buffer.concat([module, pkcs7, trailer, byteStringBytes(MODULE_SIG_STRING)]));
}

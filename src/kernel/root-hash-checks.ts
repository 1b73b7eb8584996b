/** How a kernel's dm-verity checks the signature of a root hash. */
export interface RootHashChecks {
  /** CONFIG_DM_VERITY_VERIFY_ROOTHASH_SIG */
  readonly checksSignatures: boolean;
  /** CONFIG_DM_VERITY_VERIFY_ROOTHASH_SIG_PLATFORM_KEYRING: with the keys of Secure Boot's db, too. */
  readonly trustsPlatform: boolean;
}

/** drivers/md/dm-verity-verify-sig.c: the name of the table's option. */
const OPTION = "root_hash_sig_key_desc";

// verify_pkcs7_signature(..., VERIFY_USE_PLATFORM_KEYRING, VERIFYING_UNSPECIFIED_SIGNATURE, NULL, NULL) as compilers call it
// on x86-64: the fifth and the sixth argument in r8 and r9 (System V psABI, 3.2.3; include/linux/verification.h).
/** `mov $2, %r8d` */
const PLATFORM_KEYRING = Buffer.from([0x41, 0xb8, 2, 0, 0, 0]);
/** `mov $5, %r9d` */
const UNSPECIFIED_USAGE = Buffer.from([0x41, 0xb9, 5, 0, 0, 0]);
/** Between the two there is room for the other arguments. */
const LARGEST_DISTANCE = 32;

/** Reads the code of the module dm_verity, for x86-64. */
export function rootHashChecks(module: Uint8Array): RootHashChecks {
  const code = Buffer.from(module.buffer, module.byteOffset, module.length);
  const checksSignatures = code.includes(OPTION);
  let trustsPlatform = false;
  for (let at = code.indexOf(PLATFORM_KEYRING); at !== -1; at = code.indexOf(PLATFORM_KEYRING, at + 1)) {
    const around = code.subarray(Math.max(0, at - LARGEST_DISTANCE), at + LARGEST_DISTANCE);
    trustsPlatform ||= checksSignatures && around.includes(UNSPECIFIED_USAGE);
  }
  return { checksSignatures, trustsPlatform };
}

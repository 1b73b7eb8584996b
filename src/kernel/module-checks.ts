/** Where a kernel can find the certificate of whoever signed a module. */
export type ModuleKeyring = "platform" | "machine" | "builtin";

/** How a kernel checks its modules, as its own code and texts show. */
export interface ModuleChecks {
  /** Without CONFIG_MODULE_SIG it takes any module. */
  readonly checksSignatures: boolean;
  /** Whether a certificate in Secure Boot's db gets into the keyring .platform, and modules are checked against it. */
  readonly trustsPlatform: boolean;
  /** Whether it can take machine owner keys into .machine, against which modules are checked. */
  readonly trustsMachine: boolean;
  /** Whether it refuses modules without a signature wherever Secure Boot is on. */
  readonly locksDownBySecureBoot: boolean;
  /** Whether a certificate (DER) is compiled in. */
  readonly holds: (certificate: Uint8Array) => boolean;
}

// Texts of the kernel, each from the one file that an option brings.
/** kernel/module/signing.c, since 4.7. */
const CHECKS_SIGNATURES = "module with unavailable key";
/** security/integrity/platform_certs/load_uefi.c (CONFIG_LOAD_UEFI_KEYS). */
const LOADS_DB = "UEFI:db\0";
/** security/integrity/platform_certs/machine_keyring.c (CONFIG_INTEGRITY_MACHINE_KEYRING). */
const HAS_MACHINE = "Machine keyring initialized";
/** What distributions give to security_lock_kernel_down() where the firmware says that Secure Boot is on. */
const LOCKS_DOWN = "EFI Secure Boot\0";

// verify_pkcs7_signature(module, length, message, length, keyring, usage, NULL, NULL) as compilers call it on x86-64: the
// fifth and the sixth argument in r8 and r9, the last two on the stack (System V psABI, 3.2.3). The keyring is a number
// (include/linux/verification.h), the usage VERIFYING_MODULE_SIGNATURE, which is 0.
const VERIFY_USE_SECONDARY_KEYRING = 1;
const VERIFY_USE_PLATFORM_KEYRING = 2;
/** `mov $keyring, %r8d` */
const SET_KEYRING = (keyring: number): Buffer => Buffer.from([0x41, 0xb8, keyring, 0, 0, 0]);
/** `xor %r9d, %r9d` */
const CLEAR_USAGE = Buffer.from([0x45, 0x31, 0xc9]);
/** `push $0` */
const PUSH_NULL = Buffer.from([0x6a, 0]);
const CALL = 0xe8;
const CALL_BYTES = 5;
/** The arguments of one call are set within this many bytes of each other. */
const NEAR_BYTES = 48;

/**
 * Finds out how a kernel checks modules. Unlike its configuration, the kernel cannot be out of date or from elsewhere; and
 * whether .platform is asked is no option at all but a change that some distributions make (Debian, Fedora, RHEL, SUSE)
 * and others do not.
 * @param kernel unpacked (vmlinux), for x86-64
 */
export function readModuleChecks(kernel: Uint8Array): ModuleChecks {
  const code = Buffer.from(kernel.buffer, kernel.byteOffset, kernel.byteLength);
  const has = (text: string): boolean => code.includes(text, 0, "latin1");
  const asksPlatform = (): boolean => {
    const secondary = new Set(callsWith(code, VERIFY_USE_SECONDARY_KEYRING));
    return callsWith(code, VERIFY_USE_PLATFORM_KEYRING).some((target) => secondary.has(target));
  };
  return {
    checksSignatures: has(CHECKS_SIGNATURES),
    trustsPlatform: has(LOADS_DB) && asksPlatform(),
    trustsMachine: has(HAS_MACHINE),
    locksDownBySecureBoot: has(LOCKS_DOWN),
    holds: (certificate) => code.includes(Buffer.from(certificate)),
  };
}

/** What is called with a keyring, the usage 0 and two NULLs: places in the file. */
function callsWith(code: Buffer, keyring: number): number[] {
  const targets: number[] = [];
  const pattern = SET_KEYRING(keyring);
  for (let at = code.indexOf(pattern); at !== -1; at = code.indexOf(pattern, at + 1)) {
    const around = code.subarray(Math.max(at - NEAR_BYTES, 0), at + NEAR_BYTES);
    if (!around.includes(CLEAR_USAGE) || countOf(around, PUSH_NULL) < 2) continue;
    // Any byte can look like a call; that another one leads to the same place is no accident.
    const last = Math.min(at + NEAR_BYTES, code.length - CALL_BYTES);
    for (let call = at + pattern.length; call <= last; call++) {
      if (code[call] === CALL) targets.push(call + CALL_BYTES + code.readInt32LE(call + 1));
    }
  }
  return targets;
}

function countOf(bytes: Buffer, pattern: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(pattern); at !== -1; at = bytes.indexOf(pattern, at + pattern.length)) count++;
  return count;
}

import type { BuildConfig, InputFile, UkiInputs } from "../build/index.ts";
import { toHex, UsageError } from "../bytes/index.ts";
import { readInput, runFilter } from "../host/index.ts";
import { externalPolicyKey, type PolicyKey, policyKey, policyKeyFingerprint } from "../keys/index.ts";
import { readPassphrase } from "./signing.ts";

/** The options of a unified kernel image. */
export interface UkiFlags {
  readonly uki: boolean;
  readonly stub?: string;
  readonly osRelease?: string;
  readonly pcrKey?: string;
  readonly pcrSigner?: string;
  readonly pcrPublicKey?: string;
  readonly passphraseFile?: string | undefined;
}

/** Where systemd's packages put it (bootctl(1), systemd-stub(7)). */
const DEFAULT_STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

/**
 * Reads the files that a unified kernel image is made of; options are stronger than settings.
 * @throws UsageError when one cannot be read.
 */
export function readUkiInputs(flags: UkiFlags, config: BuildConfig["uki"]): UkiInputs {
  const publicKeyPath = flags.pcrPublicKey ?? config["pcr-public-key"];
  const pcrPublicKey = optionalFile(publicKeyPath, "the public key of PCR policies");
  const key = readPolicyKey(flags, config, pcrPublicKey);
  return {
    stub: readFile(flags.stub ?? (config.stub || DEFAULT_STUB), "systemd's stub"),
    osRelease: optionalFile(flags.osRelease ?? config["os-release"], "the os-release"),
    splash: optionalFile(config.splash, "the splash picture"),
    sbat: optionalFile(config.sbat, "the SBAT entries"),
    microcode: optionalFile(config.microcode, "the microcode"),
    pcrPublicKey,
    policies: key && { key, phases: config["pcr-phases"] },
    profiles: config.profiles.map(({ id, title, kernel, initrd, ...profile }) => ({
      id,
      title,
      commandLine: profile["command-line"],
      kernel: optionalFile(kernel, `the kernel of profile ${id}`),
      initrd: optionalFile(initrd, `the initrd of profile ${id}`),
    })),
  };
}

/**
 * The key of PCR policies, where one is named: a file, or a program and the public key.
 * @throws UsageError when both are, or the public key is another one's.
 */
function readPolicyKey(
  flags: UkiFlags,
  config: BuildConfig["uki"],
  publicKey: InputFile | undefined,
): PolicyKey | undefined {
  // An option for one of the two is stronger than a setting for the other one.
  const areOptions = flags.pcrKey !== undefined || flags.pcrSigner !== undefined;
  const path = (areOptions ? flags.pcrKey : config["pcr-key"]) || undefined;
  const signer = (areOptions ? flags.pcrSigner : config["pcr-signer"]) || undefined;
  const hint = "give either --pcr-key FILE, or --pcr-signer COMMAND and --pcr-public-key FILE";
  if (path !== undefined && signer !== undefined) {
    throw new UsageError("Cannot sign PCR policies: expected one of a private key and a signer", { hint });
  }
  if (signer !== undefined) {
    if (publicKey === undefined) throw new UsageError("Cannot sign PCR policies: the public key is missing", { hint });
    return externalPolicyKey((message) => runFilter(signer, message), publicKey.bytes);
  }
  if (path === undefined) return undefined;
  const key = policyKey({ key: readInput(path, "the key of PCR policies"), passphrase: readPassphrase(flags) });
  const other = publicKey && policyKeyFingerprint(publicKey.bytes);
  if (other === undefined || toHex(other) === toHex(key.keyFingerprint)) return key;
  throw new UsageError(`Cannot sign PCR policies: ${publicKey?.path} is not the public key of ${path}`, { hint });
}

function optionalFile(path: string | undefined, what: string): InputFile | undefined {
  return path === undefined || path === "" ? undefined : readFile(path, what);
}

function readFile(path: string, what: string): InputFile {
  return { path, bytes: readInput(path, what) };
}

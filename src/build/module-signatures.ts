import { UsageError } from "../bytes/index.ts";
import { bzImagePayload } from "../formats/bzimage/index.ts";
import { DEFAULT_LIMIT_BYTES } from "../formats/compression/index.ts";
import { inFile } from "../host/index.ts";
import { type ModuleChecks, type ModuleKeyring, readModuleChecks } from "../kernel/index.ts";
import type { Certificate, Signer } from "../keys/index.ts";
import type { BuildConfig } from "./config.ts";
import type { ModuleTreatment } from "./first-stage.ts";
import type { InputFile } from "./inputs.ts";
import { sendable, type Workforce } from "./threads/index.ts";

/** How modules are treated as the settings say; the signer is needed for re-signing only. */
export function moduleTreatment(
  { signatures, symbols, unwind }: BuildConfig["modules"],
  signer: Signer | undefined,
): ModuleTreatment {
  return { signatures, symbols, unwind, signer: signatures === "resign" ? signer : undefined };
}

/** What decides whether a kernel will take the modules of a generation. */
export interface ModuleConditions {
  readonly modules: BuildConfig["modules"];
  /** Of whoever signs modules; undefined where nobody does. */
  readonly certificate: Certificate | undefined;
  readonly kernel: InputFile & { readonly release: string };
  /** All that it may be started with. */
  readonly commandLines: readonly string[];
  /** Whether firmware with Secure Boot is to start it. */
  readonly forSecureBoot: boolean;
}

/** Parameters of the kernel that make it refuse modules without a signature. */
const ENFORCING = /^(?:lockdown=(?:integrity|confidentiality)|module\.sig[_-]enforce(?:=(?:1|y|t|on)\w*)?)$/i;
/** What follows is for init. */
const END_OF_PARAMETERS = "--";

/** rsa_check_key_length in the kernel's crypto/rsa.c knows these, and shorter ones. */
const KERNEL_RSA_BITS: readonly number[] = [2048, 3072, 4096];

/**
 * Finds out before anything is written whether the kernel takes the modules as they are going to be.
 * @returns what a person should know all the same
 * @throws UsageError when it does not.
 */
export async function checkModuleConditions(conditions: ModuleConditions, threads: Workforce): Promise<string[]> {
  const { modules, certificate, kernel, commandLines, forSecureBoot } = conditions;
  if (modules.signatures === "keep") return [];
  if (modules.signatures === "strip") {
    refuseEnforced(commandLines);
    if (!forSecureBoot || !(await lookInto(kernel, threads)).locksDownBySecureBoot) return [];
    return [
      `where Secure Boot is on, kernel ${kernel.release} refuses modules without a signature: ` +
        'set modules.signatures = "resign" or "keep"',
    ];
  }
  if (certificate === undefined) {
    throw new UsageError("Cannot re-sign modules without a key", {
      hint: "set key or signer, and certificate, in [modules] of lazyrd.toml, or sign the unified kernel image with --key",
    });
  }
  requireUsableKey(certificate);
  const checks = await lookInto(kernel, threads);
  if (!checks.checksSignatures) {
    return [`kernel ${kernel.release} checks no signatures of modules: modules.signatures = "strip" would do`];
  }
  requireTrust(checks, modules.keyring, certificate, kernel.release);
  return [];
}

function refuseEnforced(commandLines: readonly string[]): void {
  const words = commandLines.flatMap((line) => {
    const all = line.split(/\s+/);
    const end = all.indexOf(END_OF_PARAMETERS);
    return end === -1 ? all : all.slice(0, end);
  });
  const enforcing = words.find((word) => ENFORCING.test(word.replaceAll('"', "")));
  if (enforcing === undefined) return;
  throw new UsageError(`Cannot strip the signatures of modules: with ${enforcing} the kernel refuses such modules`, {
    hint: 'set modules.signatures = "resign" (with a key that the kernel trusts) or "keep"',
  });
}

function requireUsableKey({ subject, publicKey }: Certificate): void {
  const bits = publicKey.asymmetricKeyDetails?.modulusLength ?? 0;
  if (KERNEL_RSA_BITS.includes(bits)) return;
  throw new UsageError(`Cannot sign modules with the certificate ${subject}: its key has ${bits} bits`, {
    hint: `the kernel takes RSA keys of ${KERNEL_RSA_BITS.join(", ")} bits only`,
  });
}

/** The kernel as it will be in memory tells how it checks modules. */
async function lookInto({ path, bytes }: InputFile, threads: Workforce): Promise<ModuleChecks> {
  return inFile(path, async () => {
    const input = sendable(bzImagePayload(bytes));
    const request = { input, limitBytes: DEFAULT_LIMIT_BYTES };
    return readModuleChecks((await threads.run("decompress", request, input.length)).output);
  });
}

const OTHER_KEYRINGS =
  'set modules.keyring = "machine" where the key is a machine owner key (shim), "builtin" where the certificate is ' +
  'compiled in, or modules.signatures = "keep"';

function requireTrust(checks: ModuleChecks, keyring: ModuleKeyring, certificate: Certificate, release: string): void {
  const fault = {
    platform: checks.trustsPlatform
      ? undefined
      : "it does not look for signers of modules in .platform, where the keys of Secure Boot's db are",
    machine: checks.trustsMachine ? undefined : "it has no keyring .machine",
    builtin: checks.holds(certificate.der) ? undefined : `the certificate ${certificate.subject} is not compiled in`,
  }[keyring];
  if (fault === undefined) return;
  throw new UsageError(`Cannot re-sign modules for kernel ${release}: ${fault}`, { hint: OTHER_KEYRINGS });
}

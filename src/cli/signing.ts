import { type Command, Option } from "commander";
import { UsageError } from "../bytes/index.ts";
import { readInput, runFilter, runFilterAside } from "../host/index.ts";
import { externalSigner, keySigner, type Signer } from "../keys/index.ts";

/** The options of everything that signs. */
export interface SigningFlags {
  readonly key?: string | undefined;
  readonly signer?: string | undefined;
  readonly certificate?: string | undefined;
  readonly passphraseFile?: string | undefined;
}

export const SIGNING_HINT = "give --key FILE or --signer COMMAND, and --certificate FILE";

const PASSPHRASE_VARIABLE = "LAZYRD_PASSPHRASE";

/** Adds the options; `prefix` stands before what they say, and `implied` is what they imply. */
export function addSigningOptions(command: Command, prefix = "", implied: Record<string, unknown> = {}): Command {
  return command
    .addOption(new Option("--key <file>", `${prefix}sign with this private key (PEM)`).implies(implied))
    .addOption(
      new Option("--signer <command>", `${prefix}sign with a program: message on stdin, signature on stdout`)
        .implies(implied)
        .conflicts("key"),
    )
    .addOption(new Option("--certificate <file>", `${prefix}the key's certificate (PEM or DER)`).implies(implied))
    .option("--passphrase-file <file>", `${prefix}what unlocks the key (or ${PASSPHRASE_VARIABLE})`);
}

/**
 * Whoever signs, as the options say; undefined when they do not name anybody. `hint` says how to name somebody.
 * @throws UsageError when something is missing or does not fit, FormatError for files that are no keys or certificates.
 */
export function readSigner(flags: SigningFlags, hint = SIGNING_HINT): Signer | undefined {
  const { key, signer, certificate } = flags;
  if (key === undefined && signer === undefined && certificate === undefined) return undefined;
  if (certificate === undefined || (key === undefined) === (signer === undefined)) {
    throw new UsageError("Cannot sign: expected either a private key or a signer, and its certificate", { hint });
  }
  const certificateFile = readInput(certificate, "the certificate");
  const now = new Date();
  if (signer !== undefined) {
    const elsewhere = {
      sign: (message: Uint8Array) => runFilter(signer, message),
      signAside: (message: Uint8Array) => runFilterAside(signer, message),
    };
    return externalSigner(elsewhere, certificateFile, now);
  }
  const keyFile = { key: readInput(key ?? "", "the private key"), passphrase: readPassphrase(flags) };
  return keySigner(keyFile, certificateFile, now);
}

/** The first line of the file, or the variable's value. */
export function readPassphrase({ passphraseFile }: Pick<SigningFlags, "passphraseFile">): string | undefined {
  if (passphraseFile === undefined) return process.env[PASSPHRASE_VARIABLE] || undefined;
  const text = Buffer.from(readInput(passphraseFile, "the passphrase")).toString("utf8");
  return text.split(/\r?\n/, 1)[0];
}

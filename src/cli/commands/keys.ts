import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { createPrivateFolder } from "../../host/index.ts";
import { createKeys } from "../../keys/index.ts";
import { readPassphrase } from "../signing.ts";
import { printResult } from "../terminal.ts";

interface KeysFlags {
  readonly bits: string;
  readonly days: number;
  readonly passphraseFile?: string;
}

/** Who may read what: its owner, everybody. The folder itself is its owner's. */
const SECRET_MODE = 0o600;
const PUBLIC_MODE = 0o644;
const DEFAULT_DAYS = 3650;
const MAX_DAYS = 36_500;

export function keysCommand(): Command {
  return new Command("keys")
    .summary("make the keys of a verified boot")
    .description(
      "Makes keys and certificates in a new folder: PK, KEK and db for Secure Boot, with .esl and .auth files to enroll " +
        "them; image for the root hashes of images, which db trusts, too; pcr for PCR policies. Replaces nothing.",
    )
    .addArgument(new Argument("<action>", "what to do").choices(["create"]))
    .argument("<folder>", "the new folder")
    .addOption(
      new Option("--bits <number>", "length of the RSA keys").choices(["2048", "3072", "4096"]).default("2048"),
    )
    .option("--days <number>", "how long the certificates are valid", days, DEFAULT_DAYS)
    .option("--passphrase-file <file>", "encrypt the private keys with this (or LAZYRD_PASSPHRASE)")
    .addHelpText("after", "\nExample:\n  lazyrd keys create keys --bits 4096 --passphrase-file secret")
    .action(run);
}

function run(_action: string, folder: string, flags: KeysFlags): void {
  const passphrase = readPassphrase(flags);
  const keys = createKeys({ bits: Number(flags.bits), now: new Date(), validDays: flags.days, passphrase });
  const files = keys.map(({ name, content, secret }) => ({ name, content, mode: secret ? SECRET_MODE : PUBLIC_MODE }));
  createPrivateFolder(folder, files);
  printResult(
    [
      `${folder}: PK, KEK, db, image and pcr${passphrase === undefined ? ", not encrypted: keep the folder safe" : ""}`,
      `next: lazyrd build --uki --key ${folder}/db.key --certificate ${folder}/db.crt ...`,
    ].join("\n"),
  );
}

function days(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= MAX_DAYS) return value;
  throw new InvalidArgumentError(`Expected a whole number from 1 to ${MAX_DAYS}.`);
}

import { Command, Option } from "commander";
import { UsageError } from "../../bytes/index.ts";
import { withSignatures } from "../../formats/pe/index.ts";
import { inFile, readInput } from "../../host/index.ts";
import { checkProgramSignatures, type Signer, signProgram } from "../../keys/index.ts";
import { writeProgram } from "../program-file.ts";
import { addSigningOptions, readSigner, SIGNING_HINT, type SigningFlags } from "../signing.ts";
import { printResult } from "../terminal.ts";

interface SignFlags extends SigningFlags {
  readonly remove: boolean;
  readonly output: string;
}

export function signCommand(): Command {
  const command = new Command("sign")
    .summary("sign an EFI program for Secure Boot")
    .description(
      "Adds a signature (Authenticode) to an EFI program: a unified kernel image, a kernel, a boot loader. One by the same " +
        "certificate is replaced, others stay. The same program and key give the same bytes.",
    )
    .argument("<file>", "the EFI program");
  return addSigningOptions(command)
    .addOption(
      new Option("--remove", "remove all signatures instead")
        .default(false)
        .conflicts(["key", "signer", "certificate"]),
    )
    .requiredOption("-o, --output <file>", "where the result goes; may be the same file")
    .addHelpText(
      "after",
      "\nExamples:\n  lazyrd sign lazyrd.efi --key keys/db.key --certificate keys/db.crt -o lazyrd.efi\n" +
        "  lazyrd sign vmlinuz --signer 'openssl dgst -sha256 -sign db.key' --certificate db.crt -o signed",
    )
    .action(run);
}

async function run(path: string, flags: SignFlags): Promise<void> {
  const signer = flags.remove ? undefined : requireSigner(flags);
  const program = readInput(path, "the EFI program");
  const result = await inFile(path, () =>
    signer === undefined ? withSignatures(program, []) : signProgram(program, signer),
  );
  writeProgram(flags.output, result);
  const names = checkProgramSignatures(result).map(({ certificate }) => certificate?.subject ?? "somebody unknown");
  printResult(`${flags.output}: ${names.length === 0 ? "not signed" : `signed by ${names.join(" and by ")}`}`);
}

function requireSigner(flags: SigningFlags): Signer {
  const signer = readSigner(flags);
  if (signer !== undefined) return signer;
  throw new UsageError("Cannot sign without a key", { hint: SIGNING_HINT });
}

import { Command, Option } from "commander";
import { inFile, readInput } from "../../host/index.ts";
import { signProgram } from "../../keys/index.ts";
import { assembleAddon } from "../../uki/index.ts";
import { writeProgram } from "../program-file.ts";
import { addSigningOptions, readSigner, type SigningFlags } from "../signing.ts";
import { printResult } from "../terminal.ts";

interface AddonFlags extends SigningFlags {
  readonly stub: string;
  readonly commandLine?: string;
  readonly initrd?: string;
  readonly microcode?: string;
  readonly deviceTree?: string;
  readonly uname?: string;
  readonly output: string;
}

/** Where systemd's packages put it, from 254 on. */
const DEFAULT_STUB = "/usr/lib/systemd/boot/efi/addonx64.efi.stub";

export function addonCommand(): Command {
  const command = new Command("addon")
    .summary("make an addon for a unified kernel image")
    .description(
      "Writes an EFI program that carries more of a command line, an initrd, microcode or a device tree. systemd-stub adds them " +
        "to what the image has, and measures them, when the file lies in the folder IMAGE.efi.extra.d beside it; under " +
        "Secure Boot only with a signature.",
    )
    .option("--command-line <text>", "added to the image's own")
    .option("--initrd <file>", "unpacked over the image's own")
    .option("--microcode <file>", "for the processor: a cpio archive, not compressed")
    .option("--device-tree <file>", "instead of the firmware's (DTB)")
    .option("--uname <release>", "the kernel that it is for; others pass over it")
    .addOption(new Option("--stub <file>", "systemd's stub for addons").default(DEFAULT_STUB));
  return addSigningOptions(command)
    .requiredOption("-o, --output <file>", "where the addon goes: NAME.addon.efi")
    .addHelpText(
      "after",
      "\nExample:\n  lazyrd addon --command-line 'systemd.log_level=debug' --key keys/db.key --certificate keys/db.crt \\\n" +
        "    -o /efi/EFI/Linux/lazyrd.efi.extra.d/debug.addon.efi",
    )
    .action(run);
}

async function run(flags: AddonFlags): Promise<void> {
  const signer = readSigner(flags);
  const stub = readInput(flags.stub, "systemd's stub for addons");
  const read = (path: string | undefined, what: string): Uint8Array | undefined =>
    path === undefined ? undefined : readInput(path, what);
  const addon = await inFile(flags.stub, () =>
    assembleAddon(stub, {
      commandLine: flags.commandLine,
      initrd: read(flags.initrd, "the initrd"),
      microcode: read(flags.microcode, "the microcode"),
      deviceTree: read(flags.deviceTree, "the device tree"),
      kernelRelease: flags.uname,
    }),
  );
  writeProgram(flags.output, signer === undefined ? addon : signProgram(addon, signer));
  printResult(
    `${flags.output}: addon, ${signer === undefined ? "not signed" : `signed by ${signer.certificate.subject}`}`,
  );
}

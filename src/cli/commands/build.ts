import { Command, Option } from "commander";
import { withThreads } from "../../build/threads/index.ts";
import type { BuildFlags } from "../build-generation.ts";
import { addSigningOptions } from "../signing.ts";

/** What an option that is about it implies. */
const UKI = { uki: true };

export function buildCommand(): Command {
  const command = new Command("build")
    .summary("turn an initrd into a first stage and a verified image")
    .description(
      "Reads a kernel and the initrd it boots with, and writes a generation: the small first stage, the image with " +
        "everything else (EROFS on dm-verity), the plan that connects them, and a manifest. Needs no root.",
    )
    .requiredOption("-k, --kernel <file>", "the kernel, as installed in /boot")
    .option("-i, --initrd <file>", "the initrd to split; it is only read")
    .option("-t, --tree <path>", "instead: a folder, image or archive with an operating system (layouts system, usr)")
    .option("-m, --modules <folder>", "the kernel's modules (default: /lib/modules/RELEASE, then the initrd's own)")
    .option("-c, --config <file>", "settings (default: ./lazyrd.toml where there is one)")
    .option("-d, --drivers <set>", "storage drivers: generic, virtio, host, or names separated by commas")
    .option("-p, --profile <file>", "what a boot read: the image is laid out for it")
    .addOption(
      new Option("--drop <pattern>", "leave out what the pattern means: usr/share/doc/**; may be repeated").argParser(
        (pattern: string, others: string[] = []) => [...others, pattern],
      ),
    )
    .option("--against <tree>", "leave out what is the same there: an image to be laid over that folder or image")
    .requiredOption("-o, --output <folder>", "where the generation goes; replaces one that lazyrd wrote")
    .addOption(new Option("--uki", "make a unified kernel image, lazyrd.efi, too").default(false))
    .addOption(new Option("--stub <file>", "for --uki: systemd-stub (default: where systemd installs it)").implies(UKI))
    .addOption(new Option("--os-release <file>", "for --uki: names it in menus (default: the initrd's)").implies(UKI))
    .addOption(new Option("--pcr-key <file>", "for --uki: sign PCR policies with this private key (PEM)").implies(UKI))
    .addOption(
      new Option("--pcr-signer <command>", "for --uki: sign PCR policies with a program")
        .implies(UKI)
        .conflicts("pcrKey"),
    )
    .addOption(new Option("--pcr-public-key <file>", "for --uki: the public key of PCR policies (PEM)").implies(UKI));
  return addSigningOptions(command, "for --uki: ", UKI)
    .addOption(new Option("--json", "print the manifest as JSON").default(false))
    .addOption(new Option("-q, --quiet", "no progress").default(false))
    .action(run);
}

/** Threads take a while to start: meanwhile all that the work takes is loaded. */
function run(flags: BuildFlags): Promise<void> {
  return withThreads(async (threads) => {
    const { buildFromFlags } = await import("../build-generation.ts");
    await buildFromFlags(threads, flags);
  });
}

import { Command, Option } from "commander";
import { verifyContent } from "../../content/index.ts";
import { startProgress } from "../progress.ts";
import { printJson, printResult, printWarnings } from "../terminal.ts";
import { TREE_ARGUMENT } from "./ls.ts";

interface VerifyFlags {
  readonly digests: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
}

export function verifyCommand(): Command {
  return new Command("verify")
    .summary("read all of an initrd, an image or a generation and say whether it is sound")
    .description(
      "Reads everything: every block through the hash tree where there is one, all metadata, every byte of every file, " +
        "which also unpacks what is compressed. Says OK, or names the first fault and where it is. Exit status: 1 when " +
        "something is wrong.",
    )
    .argument("<tree>", TREE_ARGUMENT)
    .addOption(new Option("--digests", "print the SHA-256 of every file, as sha256sum does").default(false))
    .addOption(new Option("--json", "print as JSON, digests included").default(false))
    .addOption(new Option("-q, --quiet", "no progress").default(false))
    .action(run);
}

async function run(path: string, flags: VerifyFlags): Promise<void> {
  const progress = startProgress(flags);
  const { checked, warnings, digests } = await verifyContent(path, progress.listener).finally(() => progress.end());
  printWarnings(warnings);
  if (flags.json) printJson({ path, ok: true, checked, warnings, digests: Object.fromEntries(digests) });
  else if (flags.digests) printResult([...digests].map(([name, digest]) => `${digest}  ${name}`).join("\n"));
  else printResult([...checked.map((line) => `  ${line}`), `${path}: OK`].join("\n"));
}

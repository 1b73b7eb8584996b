import { Command, Option } from "commander";
import { toText } from "../../bytes/index.ts";
import { entriesBelow, listedEntries, locate, shownPath, withContent } from "../../content/index.ts";
import { listingFacts, listingLines } from "../../inspect/index.ts";
import { printJson, printResult, printWarnings } from "../terminal.ts";

interface LsFlags {
  readonly long: boolean;
  readonly recursive: boolean;
  readonly json: boolean;
}

/** Every command that opens a tree says what one is. */
export const TREE_ARGUMENT =
  "an initrd or cpio archive, an EROFS image, a disk or DDI, a unified kernel image, a generation, or a folder";

export const PATH_HINT =
  "Paths start at the top of the tree, with or without a slash; symlinks are followed inside of it. A generation's " +
  "first stage is named first-stage:/PATH.";

export function lsCommand(): Command {
  return new Command("ls")
    .summary("list files inside an initrd, an image or a generation")
    .description(`Lists what a folder of a tree holds, without unpacking anything. ${PATH_HINT}`)
    .argument("<tree>", TREE_ARGUMENT)
    .argument("[path]", "the folder or file to list", "/")
    .addOption(new Option("-l, --long", "modes, owners, sizes and times, as ls -ln; times in UTC").default(false))
    .addOption(new Option("-R, --recursive", "everything below, with whole paths").default(false))
    .addOption(new Option("--json", "print as JSON").default(false))
    .action(run);
}

async function run(treePath: string, path: string, flags: LsFlags): Promise<void> {
  await withContent(treePath, (content) => {
    printWarnings(content.warnings);
    const found = locate(content, path, { followLast: true });
    const entries = listedEntries(found.root.tree, entriesBelow(found, flags.recursive));
    const shown = flags.recursive ? entries.map((entry) => ({ ...entry, path: `/${entry.path}` })) : entries;
    if (flags.json) printJson({ path: shownPath(found.root, found.path), entries: listingFacts(shown) });
    else if (shown.length > 0) {
      printResult((flags.long ? listingLines(shown) : shown.map((entry) => toText(entry.path))).join("\n"));
    }
  });
}

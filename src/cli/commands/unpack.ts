import { Command, Option } from "commander";
import { type Location, locate, shownPath, withContent } from "../../content/index.ts";
import { onInterrupt, TreeWriter, type WrittenTree } from "../../host/index.ts";
import { counted } from "../../text/index.ts";
import { printJson, printResult, printStep, printWarnings } from "../terminal.ts";
import { PATH_HINT, TREE_ARGUMENT } from "./ls.ts";

interface UnpackFlags {
  readonly force: boolean;
  readonly json: boolean;
}

export function unpackCommand(): Command {
  return new Command("unpack")
    .summary("write files from an initrd, an image or a generation into a folder")
    .description(
      "Writes a tree, or parts of it, into a new or empty folder: modes, times, symlinks and hard links; owners and " +
        "devices too when root does it. Nothing is written outside of the folder, and when something fails, what was " +
        `written is removed again. ${PATH_HINT}`,
    )
    .argument("<tree>", TREE_ARGUMENT)
    .argument("<folder>", "where the files go")
    .argument("[path...]", "only these files and folders (default: everything)")
    .addOption(new Option("--force", "take a folder that is not empty, and replace files in it").default(false))
    .addOption(new Option("--json", "print what was written as JSON").default(false))
    .action(run);
}

async function run(treePath: string, folder: string, paths: string[], flags: UnpackFlags): Promise<void> {
  await withContent(treePath, (content) => {
    const chosen = (paths.length === 0 ? ["/"] : paths).map((path) => locate(content, path, { followLast: false }));
    const result = writeAll(chosen, folder, flags.force);
    printWarnings([...content.warnings, ...result.warnings]);
    if (flags.json) {
      printJson({ folder, paths: chosen.map(({ root, path }) => shownPath(root, path)), ...result });
    } else {
      printResult(`${folder}: ${counted(result.entries, "entry", "entries")} written`);
    }
  });
}

function writeAll(chosen: readonly Location[], folder: string, force: boolean): WrittenTree {
  const writer = new TreeWriter(folder, { force });
  const undo = (): void => printStep(`${folder}: ${writer.undo()}`);
  const interruptible = onInterrupt(undo);
  try {
    for (const { path, node } of chosen) writer.write(path, node);
    return writer.finish();
  } catch (error) {
    undo();
    throw error;
  } finally {
    interruptible();
  }
}

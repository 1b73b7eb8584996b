import { Command } from "commander";
import { chunksOf, UsageError } from "../../bytes/index.ts";
import { locate, shownPath, withContent } from "../../content/index.ts";
import { PATH_HINT, TREE_ARGUMENT } from "./ls.ts";

export function catCommand(): Command {
  return new Command("cat")
    .summary("print a file from inside an initrd, an image or a generation")
    .description(`Writes the content of one file to standard output, byte for byte. ${PATH_HINT}`)
    .argument("<tree>", TREE_ARGUMENT)
    .argument("<path>", "the file")
    .action(run);
}

async function run(treePath: string, path: string): Promise<void> {
  await withContent(treePath, async (content) => {
    const { root, path: real, node } = locate(content, path);
    if (node.kind !== "file") {
      throw new UsageError(`Cannot print ${shownPath(root, real)}: it is a ${node.kind}`, {
        hint: "lazyrd ls lists folders",
      });
    }
    for (const chunk of chunksOf(node.content)) await written(chunk);
  });
}

/** Waits until a slow reader has taken what was written, so that a large file is not in memory. */
function written(chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}

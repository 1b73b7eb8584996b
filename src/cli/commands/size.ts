import { Command, InvalidArgumentError, Option } from "commander";
import { toText } from "../../bytes/index.ts";
import { type OpenContent, withContent } from "../../content/index.ts";
import {
  costOf,
  GROUPINGS,
  type Grouping,
  groupSizes,
  measureTree,
  overBudget,
  type SizeGroup,
} from "../../sizes/index.ts";
import { alignedLines, formatExactSize, formatSize, parseSize } from "../../text/index.ts";
import { EXIT, printJson, printResult, printStep, printWarnings } from "../terminal.ts";
import { TREE_ARGUMENT } from "./ls.ts";

interface SizeFlags {
  readonly by: Grouping;
  readonly depth: number;
  readonly budget?: number;
  readonly json: boolean;
}

/** Groups and totals of one tree. */
interface Report {
  readonly name: string;
  readonly groups: readonly SizeGroup[];
  readonly total: SizeGroup;
}

export function sizeCommand(): Command {
  return new Command("size")
    .summary("show what costs how much in an initrd, an image or a generation")
    .description(
      "Shows what the files of a tree take, the largest first: as they are, and, of EROFS images, what is stored of " +
        "them (files that share what is stored bear a part each). With --budget, the exit status is 1 when the whole " +
        "file (of a generation, its image) is larger.",
    )
    .argument("<tree>", TREE_ARGUMENT)
    .addOption(new Option("--by <what>", "what is counted together").choices(GROUPINGS).default("directory"))
    .option("--depth <number>", "how deep directories are told apart", depth, 2)
    .option("--budget <size>", "how large it may be: 60M, or 60Mi for powers of 1024", size)
    .addOption(new Option("--json", "print as JSON, sizes in bytes").default(false))
    .action(run);
}

async function run(path: string, flags: SizeFlags): Promise<void> {
  await withContent(path, (content) => {
    printWarnings(content.warnings);
    const reports = content.roots.map(({ name, tree }): Report => {
      const files = measureTree(tree);
      const [total] = groupSizes(files, "directory", 0);
      const nothing = { name: "/", files: 0, bytes: 0, storedBytes: undefined };
      return { name, groups: groupSizes(files, flags.by, flags.depth), total: total ?? nothing };
    });
    const wholeBytes = content.storedBytes ?? costOf(reports[0]?.total ?? { bytes: 0, storedBytes: undefined });
    const { budget } = flags;
    const excess = budget === undefined ? undefined : overBudget(wholeBytes, budget, reports[0]?.groups ?? []);
    if (flags.json) printJson(factsOf(reports, wholeBytes, budget, excess === undefined));
    else printResult(linesOf(content, reports, wholeBytes).join("\n"));
    if (excess === undefined) return;
    printStep(`lazyrd: ${path}: ${excess}`);
    process.exitCode = EXIT.failure;
  });
}

function linesOf(content: OpenContent, reports: readonly Report[], wholeBytes: number): string[] {
  const tables = reports.flatMap(({ name, groups, total }) => {
    const hasStored = total.storedBytes !== undefined;
    const row = ({ files, bytes, storedBytes }: SizeGroup, label: string): string[] => [
      ...(hasStored ? [formatSize(storedBytes ?? 0)] : []),
      formatSize(bytes),
      String(files),
      label,
    ];
    const rows = [
      [...(hasStored ? ["stored"] : []), "size", "files", ""],
      ...groups.map((group) => row(group, toText(group.name))),
      row(total, "all files"),
    ];
    return [...(name === "" ? [] : [`${name}:`]), ...alignedLines(rows, hasStored ? [0, 1, 2] : [0, 1])];
  });
  const what = content.kind === "generation" ? "its image" : "the whole file";
  return content.storedBytes === undefined ? tables : [...tables, `${what}: ${formatExactSize(wholeBytes)}`];
}

function factsOf(reports: readonly Report[], wholeBytes: number, budget: number | undefined, fits: boolean): object {
  const facts = ({ name, files, bytes, storedBytes }: SizeGroup): object => ({
    name: toText(name),
    files,
    sizeBytes: bytes,
    ...(storedBytes === undefined ? {} : { storedBytes }),
  });
  return {
    sizeBytes: wholeBytes,
    ...(budget === undefined ? {} : { budgetBytes: budget, withinBudget: fits }),
    trees: reports.map(({ name, groups, total }) => ({ name, total: facts(total), groups: groups.map(facts) })),
  };
}

function depth(text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw new InvalidArgumentError("Expected a whole number.");
  return Number(text);
}

function size(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined) throw new InvalidArgumentError("Expected a size: 60M, 1.5G, 64Mi.");
  return bytes;
}

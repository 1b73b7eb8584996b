import { Command, Option } from "commander";
import { type Generation, readGeneration } from "../../build/index.ts";
import { FormatError, fromText, toText, UsageError } from "../../bytes/index.ts";
import {
  compareTrees,
  type Difference,
  type OpenContent,
  type Root,
  shownPath,
  withContent,
} from "../../content/index.ts";
import { readInput } from "../../host/index.ts";
import { formatSize } from "../../text/index.ts";
import { EXIT, printJson, printResult, printWarnings } from "../terminal.ts";
import { TREE_ARGUMENT } from "./ls.ts";

interface DiffFlags {
  readonly stat: boolean;
  readonly json: boolean;
}

/** A difference, and the tree it is in. */
interface Found extends Difference {
  readonly root: Root;
}

/** What only generations have; a line is a line of the plan, or a module's name. */
interface PlanChanges {
  readonly removed: readonly string[];
  readonly added: readonly string[];
}

interface GenerationChanges {
  readonly plan: PlanChanges;
  readonly modules: PlanChanges;
}

export function diffCommand(): Command {
  return new Command("diff")
    .summary("show which files differ between two initrds, images or generations")
    .description(
      "Compares two trees, of whatever kinds, file by file: type, content, mode, owner, target, device number and " +
        "extended attributes; not times. Of two generations, the plan and the modules are compared as well. Exit " +
        "status: 0 when they are the same, 1 when they differ, 2 when they cannot be compared.",
    )
    .argument("<before>", TREE_ARGUMENT)
    .argument("<after>", "the same")
    .addOption(new Option("--stat", "only how much there is").default(false))
    .addOption(new Option("--json", "print as JSON").default(false))
    .action(run);
}

async function run(before: string, after: string, flags: DiffFlags): Promise<void> {
  try {
    await withContent(before, (a) => withContent(after, (b) => show(a, b, flags)));
  } catch (cause) {
    // As diff(1): 1 says that they differ, so that what cannot be read must be something else.
    if (cause instanceof FormatError) throw new UsageError(cause.message, { cause });
    throw cause;
  }
}

function show(before: OpenContent, after: OpenContent, flags: DiffFlags): void {
  const { differences, warnings } = compareContents(before, after);
  const generation =
    before.kind === "generation" && after.kind === "generation"
      ? compareGenerations(readGeneration(before.path), readGeneration(after.path))
      : undefined;
  printWarnings([...before.warnings, ...after.warnings, ...warnings]);
  if (flags.json) printJson(factsOf(differences, generation));
  else {
    const details = flags.stat ? [] : [...differences.map(lineOf), ...(generation ? generationLines(generation) : [])];
    printResult([...details, summaryOf(differences)].join("\n"));
  }
  const sameGeneration = generation === undefined || isSame(generation);
  if (differences.length > 0 || !sameGeneration) process.exitCode = EXIT.failure;
}

function compareContents(before: OpenContent, after: OpenContent): { differences: Found[]; warnings: string[] } {
  const warnings: string[] = [];
  const differences = after.roots.flatMap((root) => {
    const other = before.roots.find(({ name }) => name === root.name);
    if (other === undefined) {
      warnings.push(`${root.name}: is only in ${after.path}, and is not compared`);
      return [];
    }
    const xattrs = root.knowsXattrs && other.knowsXattrs;
    return compareTrees(other.tree, root.tree, { xattrs }).map((difference) => ({ ...difference, root }));
  });
  for (const { name } of before.roots) {
    if (after.roots.every((root) => root.name !== name)) {
      warnings.push(`${name}: is only in ${before.path}, and is not compared`);
    }
  }
  return { differences, warnings };
}

const SIGNS = { added: "+", removed: "-", changed: "~" } as const;

function lineOf({ root, path, change, bytesBefore, bytesAfter, aspects }: Found): string {
  const start = `${SIGNS[change]} ${shownPath(root, path)}`;
  if (change !== "changed") return `${start}  ${formatSize(change === "added" ? bytesAfter : bytesBefore)}`;
  const details = aspects.map(({ what, before, after }) => `${what} ${toText(before)} -> ${toText(after)}`);
  return `${start}  ${details.join(", ")}`;
}

function summaryOf(differences: readonly Found[]): string {
  if (differences.length === 0) return "all files are the same";
  const of = (change: Difference["change"]): Found[] => differences.filter((found) => found.change === change);
  const bytes = (side: "bytesBefore" | "bytesAfter", found: readonly Found[]): number =>
    found.reduce((sum, difference) => sum + difference[side], 0);
  const [added, removed, changed] = [of("added"), of("removed"), of("changed")];
  const growth = bytes("bytesAfter", differences) - bytes("bytesBefore", differences);
  return [
    `${added.length} added (${formatSize(bytes("bytesAfter", added))})`,
    `${removed.length} removed (${formatSize(bytes("bytesBefore", removed))})`,
    `${changed.length} changed (${formatSize(bytes("bytesBefore", changed))} -> ${formatSize(bytes("bytesAfter", changed))})`,
    `in all ${growth < 0 ? "-" : "+"}${formatSize(Math.abs(growth))}`,
  ].join(", ");
}

function compareGenerations(before: Generation, after: Generation): GenerationChanges {
  const planOf = (generation: Generation): string[] =>
    Buffer.from(readInput(generation.path("plan"), "the plan"))
      .toString("utf8")
      .trimEnd()
      .split("\n");
  const modulesOf = ({ manifest }: Generation): string[] => manifest.explanation.modules.map(({ name }) => name);
  return {
    plan: changesOf(planOf(before), planOf(after)),
    modules: changesOf(modulesOf(before), modulesOf(after)),
  };
}

function changesOf(before: readonly string[], after: readonly string[]): PlanChanges {
  return {
    removed: before.filter((line) => !after.includes(line)),
    added: after.filter((line) => !before.includes(line)),
  };
}

function isSame({ plan, modules }: GenerationChanges): boolean {
  return [plan, modules].every(({ removed, added }) => removed.length + added.length === 0);
}

function generationLines({ plan, modules }: GenerationChanges): string[] {
  const lines = ({ removed, added }: PlanChanges): string[] => [
    ...removed.map((line) => `  - ${toText(fromText(line))}`),
    ...added.map((line) => `  + ${toText(fromText(line))}`),
  ];
  const section = (title: string, changes: PlanChanges): string[] => {
    const shown = lines(changes);
    return shown.length === 0 ? [] : [`${title}:`, ...shown];
  };
  return [...section("plan", plan), ...section("modules", modules)];
}

function factsOf(differences: readonly Found[], generation: GenerationChanges | undefined): object {
  const of = (change: Difference["change"]): object[] =>
    differences
      .filter((found) => found.change === change)
      .map(({ root, path, bytesBefore, bytesAfter, aspects }) => ({
        path: shownPath(root, path),
        ...(change === "added" ? {} : { bytesBefore }),
        ...(change === "removed" ? {} : { bytesAfter }),
        ...(change === "changed"
          ? {
              aspects: aspects.map(({ what, before, after }) => ({
                what,
                before: toText(before),
                after: toText(after),
              })),
            }
          : {}),
      }));
  return {
    added: of("added"),
    removed: of("removed"),
    changed: of("changed"),
    same: differences.length === 0 && (generation === undefined || isSame(generation)),
    ...generation,
  };
}

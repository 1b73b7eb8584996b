import { statSync } from "node:fs";
import { Command, Option } from "commander";
import { UsageError } from "../../bytes/index.ts";
import { FileSource, inFile } from "../../host/index.ts";
import { type Inspection, inspectFile, inspectGeneration, listingFacts, listingLines } from "../../inspect/index.ts";
import { startProgress } from "../progress.ts";
import { EXIT, printJson, printResult } from "../terminal.ts";

interface InspectFlags {
  readonly list: boolean;
  readonly dump: boolean;
  readonly verify: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
}

export function inspectCommand(): Command {
  return new Command("inspect")
    .summary("show what a file is made of, and whether it is sound")
    .description(
      "Tells by its content what a file is, and describes it: an initrd (all segments), a disk or Discoverable " +
        "Disk Image, an EROFS image, dm-verity hashes, a kernel, a kernel module, a TPM event log, or a generation, whose files are " +
        "compared with its manifest and plan. Exit status: 1 when something does not match or cannot be read.",
    )
    .argument("<file>", "the file, or the folder of a generation")
    .addOption(
      new Option("-l, --list", "list the entries of an archive or image, as ls -l").default(false).conflicts("dump"),
    )
    .addOption(new Option("--dump", "say what every byte is").default(false).conflicts(["json", "verify"]))
    .addOption(
      new Option("--verify", "read everything and compare it with its hashes").default(false).conflicts("list"),
    )
    .addOption(new Option("--json", "print as JSON").default(false))
    .addOption(new Option("-q, --quiet", "no progress").default(false))
    .action(run);
}

async function run(path: string, flags: InspectFlags): Promise<void> {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  if (isFolder) {
    await show(path, await inspectGeneration(path), flags);
    return;
  }
  const source = new FileSource(path, "the file");
  try {
    await inFile(path, async () => show(path, await inspectFile({ path, source }), flags));
  } finally {
    source.close();
  }
}

async function show(path: string, inspection: Inspection, flags: InspectFlags): Promise<void> {
  if (flags.list) showListing(inspection, flags);
  else if (flags.dump) printResult(chosen(inspection, "dump")());
  else await showSummary(path, inspection, flags);
  if (inspection.problems.length > 0) process.exitCode = EXIT.failure;
}

function showListing(inspection: Inspection, { json }: InspectFlags): void {
  const listings = chosen(inspection, "list")();
  if (json) {
    printJson(listings.map(({ title, entries }) => ({ title, entries: listingFacts(entries) })));
    return;
  }
  // Titles only where they are needed, as ls has them for several folders.
  const texts = listings.map(({ title, entries }) => [
    ...(listings.length > 1 ? [`${title}:`] : []),
    ...listingLines(entries),
  ]);
  printResult(texts.map((lines) => lines.join("\n")).join("\n\n"));
}

async function showSummary(path: string, inspection: Inspection, flags: InspectFlags): Promise<void> {
  const { format, title, lines, facts, warnings, problems } = inspection;
  const verified = flags.verify ? await runVerify(inspection, flags) : undefined;
  if (flags.json) {
    printJson({ path, format, ...facts, warnings, problems, ...(verified === undefined ? {} : { verified }) });
    return;
  }
  printResult(
    [
      `${path}: ${title}`,
      ...lines,
      ...warnings.map((warning) => `  warning: ${warning}`),
      ...problems.map((problem) => `  PROBLEM: ${problem}`),
      ...(verified ?? []).map((line) => `  verified ${line}`),
    ].join("\n"),
  );
}

async function runVerify(inspection: Inspection, flags: InspectFlags): Promise<readonly string[]> {
  const progress = startProgress(flags);
  try {
    return await chosen(inspection, "verify")(progress.listener);
  } finally {
    progress.end();
  }
}

/** What an option asks for, of an inspection that has it. */
function chosen<K extends "list" | "dump" | "verify">(inspection: Inspection, what: K): NonNullable<Inspection[K]> {
  const found = inspection[what];
  if (found !== undefined) return found;
  const reasons = { list: "it has no entries", dump: "there is no such description of it", verify: "it has no hashes" };
  throw new UsageError(`Cannot ${what} this (${inspection.title}): ${reasons[what]}`, {
    hint: "lazyrd inspect --help says what can be inspected how",
  });
}

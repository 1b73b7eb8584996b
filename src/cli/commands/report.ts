import { basename } from "node:path";
import { Command, Option } from "commander";
import { FormatError, UsageError } from "../../bytes/index.ts";
import { inFile, readInput } from "../../host/index.ts";
import {
  analyseTraces,
  MAX_BOOTS,
  PAGE_BEGINNING,
  parseScaling,
  type ReportedTrace,
  renderReport,
  reportFacts,
  type ScalingSeries,
} from "../../report/index.ts";
import { formatSize } from "../../text/index.ts";
import type { Trace } from "../../trace/index.ts";
import { printJson, printResult, printWarnings } from "../terminal.ts";
import { writeTextFile } from "../text-file.ts";
import { mapOf, readTrace } from "../traces.ts";

interface ReportFlags {
  readonly output?: string;
  readonly image?: readonly string[];
  readonly scaling?: string;
  readonly json: boolean;
}

export function reportCommand(): Command {
  return new Command("report")
    .summary("make a page of traces: what a boot read, and when; or how boots differ")
    .description(
      "Makes one HTML page of a trace, which needs no network and no other file: key figures, stages, what was read of " +
        "the image and when. Of several traces, the first is what the others are compared with, and the differences come " +
        `first. At most ${MAX_BOOTS} traces.`,
    )
    .argument("<traces...>", "what lazyrd trace wrote")
    .option("-o, --output <file>", "the page; a page that lazyrd wrote is replaced")
    .option(
      "--image <path>",
      "the image or generation that was traced, when it is not where it was; once for all traces, or once for each",
      (path: string, before: readonly string[] = []) => [...before, path],
    )
    .option("--scaling <file>", "draw how time grows with content: [{variant, contentBytes, guestNs}, ...]")
    .addOption(new Option("--json", "print what the page would say as JSON").default(false).conflicts("output"))
    .addHelpText("after", "\nExample:\n  lazyrd report before.trace after.trace -o report.html")
    .action(run);
}

async function run(paths: string[], flags: ReportFlags): Promise<void> {
  checkArguments(paths, flags);
  const traces: ReportedTrace[] = [];
  for (const [index, path] of paths.entries()) {
    const trace = await readTrace(path);
    const given = flags.image?.length === 1 ? flags.image[0] : flags.image?.[index];
    traces.push({ name: basename(path), trace, map: await reportedMap(trace, given) });
  }
  const report = analyseTraces(traces, await readScaling(flags.scaling));
  printWarnings(
    report.boots.flatMap(({ name, image: { content } }) =>
      "missing" in content ? [`${name}: ${content.missing}`] : [],
    ),
  );
  if (flags.output === undefined) {
    printJson(reportFacts(report));
    return;
  }
  const page = renderReport(report);
  writeTextFile(flags.output, page, { beginning: PAGE_BEGINNING });
  printResult(`${flags.output}: ${formatSize(Buffer.byteLength(page))}`);
}

function checkArguments(paths: readonly string[], { output, json, image = [] }: ReportFlags): void {
  if (output === undefined && !json) {
    throw new UsageError("Cannot make a report: no output is named", { hint: "name the page with -o, or use --json" });
  }
  if (paths.length > MAX_BOOTS) {
    throw new UsageError(`Cannot make a report of ${paths.length} traces: expected at most ${MAX_BOOTS}`);
  }
  if (image.length > 1 && image.length !== paths.length) {
    throw new UsageError(`Cannot tell which of ${image.length} images belongs to which of ${paths.length} traces`, {
      hint: "give --image once, or once for each trace, in their order",
    });
  }
}

/** The trace's own place is looked into without being asked: what is not there is said on the page, and no error. */
async function reportedMap(trace: Trace, given: string | undefined): Promise<ReportedTrace["map"]> {
  if (trace.reads.length === 0 && trace.touched === undefined) return { missing: "no reads of an image were recorded" };
  if (given !== undefined) return mapOf(trace, given);
  try {
    return await mapOf(trace, undefined);
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof FormatError)) throw error;
    return { missing: error.message };
  }
}

async function readScaling(path: string | undefined): Promise<ScalingSeries[]> {
  if (path === undefined) return [];
  return inFile(path, () => parseScaling(Buffer.from(readInput(path, "the scaling series")).toString("utf8")));
}

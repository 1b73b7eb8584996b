import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command, Option } from "commander";
import { GENERATION_FILES, readGeneration } from "../../build/index.ts";
import { toText } from "../../bytes/index.ts";
import {
  type Analysis,
  analyseTrace,
  type CarriedModule,
  describeAnalysis,
  suggestionsFor,
} from "../../trace/index.ts";
import { printJson, printResult } from "../terminal.ts";
import { IMAGE_OPTION, mapOf, readTrace } from "../traces.ts";

interface BlameFlags {
  readonly image?: string;
  readonly json: boolean;
}

export function blameCommand(): Command {
  return new Command("blame")
    .summary("say what a traced boot spent its time and its reads on")
    .description(
      "Tells of a trace which steps, modules and files cost what, how much of what was read is used, and what could be " +
        "better. What was read is known by the image: the one that was traced, and no other.",
    )
    .argument("<trace>", "what lazyrd trace wrote")
    .addOption(IMAGE_OPTION())
    .addOption(new Option("--json", "print as JSON").default(false))
    .action(run);
}

async function run(path: string, flags: BlameFlags): Promise<void> {
  const trace = await readTrace(path);
  const map = trace.boot.rootHash === null ? undefined : await mapOf(trace, flags.image);
  const analysis = analyseTrace(trace, map);
  const suggestions = suggestionsFor(analysis, carriedModules(flags.image ?? trace.boot.folder));
  if (flags.json) printJson({ boot: trace.boot, end: trace.end, ...withTextPaths(analysis), suggestions });
  else printResult(describeAnalysis(trace, analysis, suggestions));
}

/** The first stage's modules, where there is a whole generation. */
function carriedModules(folder: string | null): readonly CarriedModule[] | undefined {
  if (folder === null || !existsSync(join(folder, GENERATION_FILES.manifest))) return undefined;
  return readGeneration(folder).manifest.explanation.modules;
}

/** JSON is text: paths are shown as everywhere. */
function withTextPaths(analysis: Analysis): object {
  const { content } = analysis;
  if (content === undefined) return analysis;
  const named = <T extends { readonly path: string }>(items: readonly T[]): T[] => {
    return items.map((item) => ({ ...item, path: toText(item.path) }));
  };
  const { files, directories, unread } = content;
  return {
    ...analysis,
    content: { ...content, files: named(files), directories: named(directories), unread: named(unread) },
  };
}

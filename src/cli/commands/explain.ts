import { Command, Option } from "commander";
import { readGeneration } from "../../build/index.ts";
import { describeExplanation } from "../../plan/index.ts";
import { describeTransformations } from "../../transform/index.ts";
import { printJson, printResult } from "../terminal.ts";

export function explainCommand(): Command {
  return new Command("explain")
    .summary("say why each step and each module of a first stage is there")
    .description(
      "Shows the plan of a generation line by line, every module in its first stage with the reasons, and what was " +
        "changed in the image.",
    )
    .argument("<generation>", "the folder that lazyrd build wrote")
    .addOption(new Option("--json", "print as JSON").default(false))
    .action((folder: string, flags: { json: boolean }) => {
      const { explanation } = readGeneration(folder).manifest;
      if (flags.json) printJson(explanation);
      else printResult(describeExplanation(explanation) + describeTransformations(explanation.image ?? []));
    });
}

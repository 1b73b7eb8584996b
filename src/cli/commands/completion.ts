import { Argument, Command } from "commander";
import { bashCompletion } from "../completion/bash.ts";
import { fishCompletion } from "../completion/fish.ts";
import { type CompletedProgram, completionModel } from "../completion/model.ts";
import { zshCompletion } from "../completion/zsh.ts";
import { printResult } from "../terminal.ts";

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const satisfies Readonly<
  Record<string, (program: CompletedProgram) => string>
>;

/** @param program what is completed; asked for when all commands have been added */
export function completionCommand(program: () => Command): Command {
  return new Command("completion")
    .summary("print a script that completes lazyrd's command line")
    .description("Prints a completion script for a shell; the script's first lines say where to put it.")
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(SHELLS)))
    .action((shell: keyof typeof SHELLS) => printResult(SHELLS[shell](completionModel(program()))));
}

import { Command, CommanderError } from "commander";
import { packageVersion } from "../host/index.ts";
import { bootCommand } from "./commands/boot.ts";
import { buildCommand } from "./commands/build.ts";
import { explainCommand } from "./commands/explain.ts";
import { EXIT, reportError } from "./terminal.ts";

function program(): Command {
  const lazyrd = new Command("lazyrd")
    .description("Turns an initrd into a small first stage and a verified image that is read only where it is used.")
    .version(packageVersion())
    .showHelpAfterError("(lazyrd --help, or lazyrd COMMAND --help, shows what there is)")
    .exitOverride();
  for (const command of [buildCommand(), explainCommand(), bootCommand()]) {
    lazyrd.addCommand(command.exitOverride());
  }
  return lazyrd;
}

async function main(): Promise<number> {
  try {
    await program().parseAsync();
    return process.exitCode === undefined ? EXIT.ok : Number(process.exitCode);
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportError(error);
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
}

process.exitCode = await main();

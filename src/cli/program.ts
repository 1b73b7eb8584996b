import { Command, Help, type Option } from "commander";
import { packageVersion } from "../host/index.ts";
import { addonCommand } from "./commands/addon.ts";
import { attestCommand } from "./commands/attest.ts";
import { benchCommand } from "./commands/bench.ts";
import { blameCommand } from "./commands/blame.ts";
import { bootCommand } from "./commands/boot.ts";
import { buildCommand } from "./commands/build.ts";
import { catCommand } from "./commands/cat.ts";
import { completionCommand } from "./commands/completion.ts";
import { diffCommand } from "./commands/diff.ts";
import { diskCommand } from "./commands/disk.ts";
import { explainCommand } from "./commands/explain.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { keysCommand } from "./commands/keys.ts";
import { lsCommand } from "./commands/ls.ts";
import { predictCommand } from "./commands/predict.ts";
import { profileCommand } from "./commands/profile.ts";
import { reportCommand } from "./commands/report.ts";
import { signCommand } from "./commands/sign.ts";
import { sizeCommand } from "./commands/size.ts";
import { traceCommand } from "./commands/trace.ts";
import { unpackCommand } from "./commands/unpack.ts";
import { verifyCommand } from "./commands/verify.ts";

/** Pages and tests hold what --help prints: its width must not depend on a terminal. */
const HELP_COLUMNS = 80;

/** All of the command line: what it understands, completes and documents. */
export function createProgram(): Command {
  const lazyrd = new Command("lazyrd")
    .description("Turns an initrd into a small first stage and a verified image that is read only where it is used.")
    .version(packageVersion())
    .showHelpAfterError("hint: lazyrd --help, or lazyrd COMMAND --help, shows what there is")
    .configureOutput({
      // One line, as all our errors are.
      outputError: (text, write) => write(text.replace(/^error: /, "lazyrd: ").replace(/\n(\(Did you mean)/, " $1")),
      getOutHelpWidth: () => HELP_COLUMNS,
      getErrHelpWidth: () => HELP_COLUMNS,
    })
    .configureHelp({ optionDescription: describeOption })
    .exitOverride();
  const commands = [
    buildCommand(),
    explainCommand(),
    inspectCommand(),
    lsCommand(),
    catCommand(),
    unpackCommand(),
    diffCommand(),
    sizeCommand(),
    verifyCommand(),
    keysCommand(),
    signCommand(),
    addonCommand(),
    diskCommand(),
    predictCommand(),
    attestCommand(),
    bootCommand(),
    traceCommand(),
    profileCommand(),
    blameCommand(),
    reportCommand(),
    benchCommand(),
    completionCommand(() => lazyrd),
  ];
  for (const command of commands) lazyrd.addCommand(command.copyInheritedSettings(lazyrd));
  return lazyrd;
}

/** As commander does, without the words that a switch is off by default: that goes without saying. */
function describeOption(option: Option): string {
  return option.defaultValue === false ? option.description : Help.prototype.optionDescription.call(new Help(), option);
}

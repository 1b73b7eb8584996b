import { Command, Help, type Option } from "commander";
import { packageVersion } from "../host/index.ts";

/** Pages and tests hold what --help prints: its width must not depend on a terminal. */
const HELP_COLUMNS = 80;

/** By name: what a command needs is loaded with it. `program` is for the command that completes all the others. */
const COMMANDS: Readonly<Record<string, (program: () => Command) => Promise<Command>>> = {
  build: async () => (await import("./commands/build.ts")).buildCommand(),
  explain: async () => (await import("./commands/explain.ts")).explainCommand(),
  inspect: async () => (await import("./commands/inspect.ts")).inspectCommand(),
  ls: async () => (await import("./commands/ls.ts")).lsCommand(),
  cat: async () => (await import("./commands/cat.ts")).catCommand(),
  unpack: async () => (await import("./commands/unpack.ts")).unpackCommand(),
  diff: async () => (await import("./commands/diff.ts")).diffCommand(),
  size: async () => (await import("./commands/size.ts")).sizeCommand(),
  verify: async () => (await import("./commands/verify.ts")).verifyCommand(),
  keys: async () => (await import("./commands/keys.ts")).keysCommand(),
  sign: async () => (await import("./commands/sign.ts")).signCommand(),
  addon: async () => (await import("./commands/addon.ts")).addonCommand(),
  disk: async () => (await import("./commands/disk.ts")).diskCommand(),
  predict: async () => (await import("./commands/predict.ts")).predictCommand(),
  attest: async () => (await import("./commands/attest.ts")).attestCommand(),
  boot: async () => (await import("./commands/boot.ts")).bootCommand(),
  serve: async () => (await import("./commands/serve.ts")).serveCommand(),
  trace: async () => (await import("./commands/trace.ts")).traceCommand(),
  profile: async () => (await import("./commands/profile.ts")).profileCommand(),
  blame: async () => (await import("./commands/blame.ts")).blameCommand(),
  report: async () => (await import("./commands/report.ts")).reportCommand(),
  bench: async () => (await import("./commands/bench.ts")).benchCommand(),
  completion: async (program) => (await import("./commands/completion.ts")).completionCommand(program),
};

/** Needs to know all commands, though it is one of them. */
const KNOWS_ALL = "completion";

/**
 * The command line: what it understands, completes and documents.
 * @param word the first one of it; where that is a command, no other one is loaded
 */
export async function createProgram(word?: string): Promise<Command> {
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
  const isEnough = word !== undefined && word !== KNOWS_ALL && Object.hasOwn(COMMANDS, word);
  const names = isEnough ? [word] : Object.keys(COMMANDS);
  const commands = await Promise.all(names.map((name) => COMMANDS[name]?.(() => lazyrd)));
  for (const command of commands) {
    if (command !== undefined) lazyrd.addCommand(command.copyInheritedSettings(lazyrd));
  }
  return lazyrd;
}

/** As commander does, without the words that a switch is off by default: that goes without saying. */
function describeOption(option: Option): string {
  return option.defaultValue === false ? option.description : Help.prototype.optionDescription.call(new Help(), option);
}

import type { CompletedCommand, CompletedOption, CompletedProgram, ValueKind } from "./model.ts";

/** What `complete` is told about a value: -r takes one, -f offers no files (complete(1) of fish). */
function valueFlags(value: ValueKind | undefined): string {
  switch (value?.kind) {
    case undefined:
      return "";
    case "file":
      return " -r -F";
    case "folder":
      return " -x -a '(__fish_complete_directories)'";
    case "words":
      return ` -x -a '${value.words.join(" ")}'`;
    case "other":
      return " -x";
  }
}

/** Text within single quotes. */
function quoted(text: string): string {
  return text.replace(/[\\']/g, (character) => `\\${character}`);
}

function optionLine(name: string, condition: string, option: CompletedOption): string {
  const flags = option.names.map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const description = `-d '${quoted(option.description)}'`;
  return `complete -c ${name} -n '${condition}' ${flags.join(" ")}${valueFlags(option.value)} ${description}`;
}

function commandLines(program: CompletedProgram, { name, options, argument }: CompletedCommand): string[] {
  const condition = `__fish_seen_subcommand_from ${name}`;
  return [
    ...options.map((option) => optionLine(program.name, condition, option)),
    ...(argument === undefined || argument.kind === "other"
      ? []
      : [
          `complete -c ${program.name} -n '${condition}'${valueFlags(argument).replace(" -r", "").replace("-x", "-f")}`,
        ]),
  ];
}

/** A completion script for fish. */
export function fishCompletion(program: CompletedProgram): string {
  const { name, commands, options } = program;
  const noCommand = `not __fish_seen_subcommand_from ${commands.map((command) => command.name).join(" ")}`;
  const lines = [
    `# fish completion for ${name}: ${name} completion fish > ~/.config/fish/completions/${name}.fish`,
    `complete -c ${name} -f`,
    ...commands.map(
      (command) => `complete -c ${name} -n '${noCommand}' -a ${command.name} -d '${quoted(command.description)}'`,
    ),
    ...options.map((option) => optionLine(name, noCommand, option)),
    ...commands.flatMap((command) => commandLines(program, command)),
  ];
  return `${lines.join("\n")}\n`;
}

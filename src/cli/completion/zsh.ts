import type { CompletedCommand, CompletedOption, CompletedProgram, ValueKind } from "./model.ts";

/** What _arguments runs to complete a value (zshcompsys(1)). */
function action(value: ValueKind): string {
  switch (value.kind) {
    case "file":
      return "_files";
    case "folder":
      return "_files -/";
    case "words":
      return `(${value.words.join(" ")})`;
    case "other":
      return "";
  }
}

/** Text within single quotes, and within brackets of an option's specification. */
function quoted(text: string): string {
  return text.replaceAll("'", "'\\''");
}

function described(text: string): string {
  return quoted(text.replace(/[[\]:\\]/g, (character) => `\\${character}`));
}

function optionSpecs({ names, description, value }: CompletedOption): string[] {
  const others = names.length > 1 ? `(${names.join(" ")})` : "";
  return names.map((name) => {
    const takes = value === undefined ? "" : `:value:${quoted(action(value))}`;
    return `'${others}${name}[${described(description)}]${takes}'`;
  });
}

function commandCase({ name, options, argument }: CompletedCommand): string {
  const specs = [
    ...options.flatMap(optionSpecs),
    ...(argument === undefined ? [] : [`'1:argument:${quoted(action(argument))}'`]),
  ];
  return `    ${name})\n      _arguments -S \\\n        ${specs.join(" \\\n        ")}\n      ;;`;
}

/** A completion script for zsh, to be put as _lazyrd into a folder of $fpath. */
export function zshCompletion({ name, options, commands }: CompletedProgram): string {
  const list = commands.map((command) => `    '${command.name}:${described(command.description)}'`).join("\n");
  return `#compdef ${name}
# zsh completion for ${name}: ${name} completion zsh > "\${fpath[1]}/_${name}"
_${name}() {
  local curcontext=$curcontext state line
  local -a commands
  commands=(
${list}
  )
  _arguments -C \\
    ${options.flatMap(optionSpecs).join(" \\\n    ")} \\
    '1: :->command' '*:: :->rest' && return
  if [[ $state == command ]]; then
    _describe command commands
    return
  fi
  case $line[1] in
${commands.map(commandCase).join("\n")}
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _${name} "$@"; else compdef _${name} ${name}; fi
`;
}

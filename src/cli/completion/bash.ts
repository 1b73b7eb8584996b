import type { CompletedCommand, CompletedProgram, ValueKind } from "./model.ts";

/** What bash runs to complete a value. */
function action(value: ValueKind | undefined): string {
  switch (value?.kind) {
    case "file":
      return "_lazyrd_paths -f";
    case "folder":
      return "_lazyrd_paths -d";
    case "words":
      return `_lazyrd_words "${value.words.join(" ")}"`;
    default:
      return ":";
  }
}

function valueCases({ name, options }: CompletedCommand): string[] {
  return options
    .filter((option) => option.value !== undefined)
    .map((option) => {
      const patterns = option.names.map((flag) => `${name},${flag}`).join("|");
      return `    ${patterns}) ${action(option.value)}; return ;;`;
    });
}

function commandCase({ name, options, argument }: CompletedCommand): string {
  const flags = options.flatMap((option) => option.names).join(" ");
  return `    ${name}) if [[ $cur == -* ]]; then _lazyrd_words "${flags}"; else ${action(argument)}; fi ;;`;
}

/** A completion script for bash 4 and later. */
export function bashCompletion(program: CompletedProgram): string {
  const { name, commands, options } = program;
  const names = commands.map((command) => command.name);
  const first = [...names, ...options.flatMap((option) => option.names)].join(" ");
  return `# bash completion for ${name}: ${name} completion bash > /usr/share/bash-completion/completions/${name}
_lazyrd_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur"); }
_lazyrd_paths() {
  # Inside of a completion only: names are quoted, folders get a slash.
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}
_${name}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command= i
  COMPREPLY=()
  # bash takes --option=value for three words.
  if [[ $cur == = ]]; then cur=
  elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      ${names.join("|")}) command=\${COMP_WORDS[i]}; break ;;
    esac
  done
  case $command,$prev in
${commands.flatMap(valueCases).join("\n")}
  esac
  case $command in
    '') _lazyrd_words "${first}" ;;
${commands.map(commandCase).join("\n")}
  esac
}
complete -F _${name} ${name}
`;
}

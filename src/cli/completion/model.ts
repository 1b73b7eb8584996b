import type { Command, Option } from "commander";
import { driverSets } from "../../kernel/index.ts";

/** What may follow an option, or stand as an argument. */
export type ValueKind =
  | { readonly kind: "file" }
  | { readonly kind: "folder" }
  | { readonly kind: "words"; readonly words: readonly string[] }
  /** Something that only the person knows: a number, a pattern. */
  | { readonly kind: "other" };

export interface CompletedOption {
  /** "--kernel", and "-k" where there is one. */
  readonly names: readonly string[];
  readonly description: string;
  /** Undefined for an option that takes no value. */
  readonly value: ValueKind | undefined;
}

export interface CompletedCommand {
  readonly name: string;
  readonly description: string;
  readonly options: readonly CompletedOption[];
  /** What stands where no option does; undefined when nothing may. */
  readonly argument: ValueKind | undefined;
}

/** A program as completion scripts need it. */
export interface CompletedProgram {
  readonly name: string;
  readonly options: readonly CompletedOption[];
  readonly commands: readonly CompletedCommand[];
}

/** What stands in the angle brackets of an option or argument says what belongs there. */
const KINDS: ReadonlyMap<string, ValueKind> = new Map<string, ValueKind>([
  ["file", { kind: "file" }],
  ["folder", { kind: "folder" }],
  ["generation", { kind: "folder" }],
  ["generations", { kind: "folder" }],
  // Names of modules may follow as well: these are the words that are not.
  ["set", { kind: "words", words: [...Object.keys(driverSets), "host"] }],
]);

/** Collects from the program itself what can be completed: a new command or option needs nothing more. */
export function completionModel(program: Command): CompletedProgram {
  return {
    name: program.name(),
    options: optionsOf(program),
    commands: program.commands.map((command) => ({
      name: command.name(),
      description: command.summary() || command.description(),
      options: optionsOf(command),
      argument: argumentOf(command),
    })),
  };
}

function optionsOf(command: Command): CompletedOption[] {
  // The help of a command knows --help too, which is no option of its own.
  return command
    .createHelp()
    .visibleOptions(command)
    .map((option) => ({
      names: [option.long, option.short].filter((name) => name !== undefined && name !== null),
      description: option.description,
      value: valueKindOf(option),
    }));
}

function valueKindOf(option: Option): ValueKind | undefined {
  if (option.isBoolean() || (!option.required && !option.optional)) return undefined;
  return kindOf(option.argChoices, /[<[]([^>\]]+)[>\]]/.exec(option.flags)?.[1]);
}

function argumentOf(command: Command): ValueKind | undefined {
  const [argument] = command.registeredArguments;
  return argument === undefined ? undefined : kindOf(argument.argChoices, argument.name());
}

function kindOf(choices: readonly string[] | undefined, name: string | undefined): ValueKind {
  if (choices !== undefined) return { kind: "words", words: choices };
  return KINDS.get(name ?? "") ?? { kind: "other" };
}

import { type ByteString, toText } from "../bytes/index.ts";
import type { ModuleSelection } from "./select.ts";
import { stepLine } from "./text.ts";
import { type Plan, VERBS, type Verb } from "./types.ts";

/** Why the first stage is as it is: what `lazyrd explain` shows, kept with the generation. */
export interface Explanation {
  readonly steps: readonly { readonly line: string; readonly purpose: string; readonly reasons: readonly string[] }[];
  readonly modules: readonly {
    readonly name: string;
    readonly sizeBytes: number;
    readonly reasons: readonly string[];
  }[];
  readonly builtin: readonly { readonly name: string; readonly reasons: readonly string[] }[];
  readonly absent: readonly { readonly name: string; readonly reasons: readonly string[] }[];
}

/** @param sizes the bytes that each module's file takes in the first stage, by name */
export function explainPlan(
  plan: Plan,
  selection: ModuleSelection,
  sizes: ReadonlyMap<ByteString, number>,
): Explanation {
  const named = ({ name, reasons }: { name: string; reasons: readonly string[] }) => ({ name: toText(name), reasons });
  return {
    steps: plan.steps.map((step) => ({ line: stepLine(step), purpose: VERBS[step.verb], reasons: step.reasons })),
    modules: plan.modules.map((module) => ({ ...named(module), sizeBytes: sizes.get(module.name) ?? 0 })),
    builtin: selection.builtin.map(named),
    absent: selection.absent.map(named),
  };
}

const LIST_INDENT = "      ";

/** The explanation as text for a person, lines of any length. */
export function describeExplanation(explanation: Explanation): string {
  const lines: string[] = ["Plan"];
  for (const { line, purpose, reasons } of explanation.steps) {
    lines.push(`  ${line}`, `${LIST_INDENT}${purpose}`);
    if (!listsModules(line)) lines.push(...reasons.map((reason) => `${LIST_INDENT}- ${reason}`));
  }
  lines.push("", "Modules in the first stage");
  for (const { name, sizeBytes, reasons } of explanation.modules) {
    lines.push(
      `  ${name} (${(sizeBytes / 1024).toFixed(0)} KiB)`,
      ...reasons.map((reason) => `${LIST_INDENT}- ${reason}`),
    );
  }
  lines.push(...section("Built into the kernel, nothing to load", explanation.builtin));
  lines.push(...section("Wished for, but not part of this kernel", explanation.absent));
  return `${lines.join("\n")}\n`;
}

/** The modules have a section of their own, with the same reasons. */
function listsModules(line: string): boolean {
  const verbs: readonly Verb[] = ["modules", "try-modules"];
  return verbs.some((verb) => line.startsWith(`${verb} `));
}

function section(title: string, entries: Explanation["builtin"]): string[] {
  if (entries.length === 0) return [];
  return ["", title, ...entries.map(({ name, reasons }) => `  ${name}: ${reasons.join("; ")}`)];
}

import { FormatError, ToolError, UsageError } from "../bytes/index.ts";

/** What a command's exit status says (docs/cli.md). */
export const EXIT = {
  ok: 0,
  /** The input or the machine is not as it should be. */
  failure: 1,
  /** The command line or the configuration is wrong. */
  usage: 2,
  /** `lazyrd boot`, `lazyrd trace`: the machine did not get as far as it should. */
  notBooted: 3,
} as const;

/** Results go to stdout: text as it is, or one JSON value. */
export function printResult(text: string): void {
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** Steps and warnings go to stderr. */
export function printStep(text: string): void {
  process.stderr.write(`${text}\n`);
}

export function printWarnings(warnings: readonly string[]): void {
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
}

/** Says what went wrong in one line, and how to go on in a second one; returns the exit status. */
export function reportError(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`lazyrd: ${error.message}\n`);
    if (error.hint !== undefined) process.stderr.write(`hint: ${error.hint}\n`);
    return EXIT.usage;
  }
  if (error instanceof FormatError || error instanceof ToolError) {
    process.stderr.write(`lazyrd: ${error.message}\n`);
    return EXIT.failure;
  }
  // Anything else is a fault of lazyrd's own: the stack is what its authors need.
  process.stderr.write(`lazyrd: internal error, please report it\n${error instanceof Error ? error.stack : error}\n`);
  return EXIT.failure;
}

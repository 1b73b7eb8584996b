import { CommanderError } from "commander";
import { createProgram } from "./program.ts";
import { EXIT, reportError } from "./terminal.ts";

async function main(): Promise<number> {
  try {
    await createProgram().parseAsync();
    return process.exitCode === undefined ? EXIT.ok : Number(process.exitCode);
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportError(error);
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
}

// `lazyrd inspect --list ... | head`: the reader has seen enough, which is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(EXIT.ok);
  throw error;
});

process.exitCode = await main();

#!/usr/bin/env node
import "./engine.ts";
import { CommanderError } from "commander";
import { createProgram } from "./program.ts";
import { EXIT, reportError } from "./terminal.ts";

async function main(): Promise<number> {
  try {
    await (await createProgram(process.argv[2])).parseAsync();
    return process.exitCode === undefined ? EXIT.ok : Number(process.exitCode);
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportError(error);
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
}

// Node.js ends without a word when nothing is left to wait for, whatever has not been done.
const onEarlyEnd = (): void => {
  process.exitCode = reportError(new Error("The event loop was empty before the command was done"));
};
process.once("exit", onEarlyEnd);

// `lazyrd inspect --list ... | head`: the reader has seen enough, which is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.removeListener("exit", onEarlyEnd);
  process.exit(EXIT.ok);
});

process.exitCode = await main();
process.removeListener("exit", onEarlyEnd);

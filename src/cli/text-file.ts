import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { OutputFile } from "../host/index.ts";

/**
 * Writes a text file that appears complete or not at all. One that is there is replaced only when it begins in the same
 * way: measuring again is common, and losing something else by a slip is not what anybody wants.
 * @throws UsageError when something else stands there, or the place cannot be written.
 */
export function writeTextFile(path: string, text: string, { beginning }: { readonly beginning: string }): void {
  const output = new OutputFile(path, { force: beginsWith(path, beginning) });
  const bytes = Buffer.from(text, "utf8");
  try {
    output.requireSpace(bytes.length);
    output.writeSparse(bytes.length, (sink) => sink.writeAt(0, bytes));
    output.commit();
  } finally {
    output.discard();
  }
}

function beginsWith(path: string, beginning: string): boolean {
  if (!existsSync(path)) return false;
  const expected = Buffer.from(beginning, "utf8");
  const file = openSync(path, "r");
  try {
    const start = Buffer.alloc(expected.length);
    return readSync(file, start, 0, start.length, 0) === start.length && start.equals(expected);
  } finally {
    closeSync(file);
  }
}

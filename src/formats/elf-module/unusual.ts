import { FormatError } from "../../bytes/index.ts";
import { FORMAT } from "./sections.ts";

/** For what a module may have, and no module that was looked at has: nothing is guessed then. */
export function unusual(what: string): FormatError {
  return new FormatError(`Cannot make it smaller: ${what}`, { format: FORMAT });
}

import type { ConsoleLine } from "./types.ts";

const KERNEL_TIME = /^\[\s*(\d+\.\d+)\] /;
/** Colours and cursor movements, which systemd sends to its console. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they begin with the control character ESC
const TERMINAL_SEQUENCE = /\x1b(?:\[[0-9;?]*[A-Za-z]|[()][0-9A-B]|[78=>cM])/g;

/** A line as it came, without its end, as a person would read it. */
export function parseConsoleLine(raw: string): ConsoleLine {
  const text = raw.replace(TERMINAL_SEQUENCE, "").replace(/\r/g, "");
  const seconds = KERNEL_TIME.exec(text)?.[1];
  return { text, seconds: seconds === undefined ? undefined : Number(seconds) };
}

import { hex, UsageError } from "../bytes/index.ts";

/** COMMAND_LINE_SIZE of x86 and arm64 (asm/setup.h), the NUL at its end included: the kernel cuts off what is behind. */
export const COMMAND_LINE_SIZE = 2048;

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CONTROL_CHARACTER = /[\0-\x1f\x7f]/;

/**
 * The content of a section .cmdline.
 * @throws UsageError when the kernel would not get it as it is.
 */
export function encodeCommandLine(text: string): Uint8Array {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length >= COMMAND_LINE_SIZE) {
    throw new UsageError(
      `Cannot use a command line of ${bytes.length} bytes: the kernel takes ${COMMAND_LINE_SIZE - 1} (COMMAND_LINE_SIZE)`,
      { hint: "shorten it; what only systemd reads can come as a credential or from a file of the image" },
    );
  }
  const found = CONTROL_CHARACTER.exec(text);
  if (found !== null) {
    const character = hex(found[0].charCodeAt(0));
    throw new UsageError(`Cannot use the command line: it has the control character ${character} at ${found.index}`, {
      hint: "write it on one line, words separated by blanks",
    });
  }
  return bytes;
}

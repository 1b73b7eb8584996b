import { byteStringFrom, FormatError, toText } from "../bytes/index.ts";

/** Values by symbol: "y", "m", a number as written, or a string without its quotes. What is not set is left out. */
export type KernelConfig = ReadonlyMap<string, string>;

/** A distribution's configuration has 0.3 MB. */
const MAX_CONFIG_BYTES = 16 << 20;
const ASSIGNMENT = /^(CONFIG_\w+)=(.*)$/;
const QUOTED = /^"((?:[^"\\]|\\.)*)"$/;

/**
 * Reads a kernel's configuration, /boot/config-* or /proc/config.gz decompressed (Documentation/kbuild/kconfig.rst).
 * @throws FormatError with the number of a line that is neither a comment nor CONFIG_X=value.
 */
export function parseKernelConfig(input: Uint8Array | string): KernelConfig {
  if (input.length > MAX_CONFIG_BYTES) {
    throw new FormatError(`Cannot read ${input.length} bytes: expected at most ${MAX_CONFIG_BYTES}`, {
      format: "kernel config",
    });
  }
  const text = typeof input === "string" ? input : byteStringFrom(input);
  const config = new Map<string, string>();
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const [, symbol, value] = ASSIGNMENT.exec(line) ?? [];
    if (symbol === undefined || value === undefined) {
      throw new FormatError(
        `Cannot read line ${index + 1}, ${JSON.stringify(toText(line))}: expected CONFIG_SYMBOL=value`,
        { format: "kernel config" },
      );
    }
    config.set(symbol, QUOTED.exec(value)?.[1]?.replace(/\\(.)/g, "$1") ?? value);
  }
  return config;
}

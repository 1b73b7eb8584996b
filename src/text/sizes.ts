const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;
const UNIT_STEP = 1000;

/** A size for a person, in powers of 1000: "13.4 MB". */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= UNIT_STEP && unit < UNITS.length - 1) {
    value /= UNIT_STEP;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** The same with the exact figure, where the short one hides something: "13.4 MB (13412352 bytes)". */
export function formatExactSize(bytes: number): string {
  return bytes < UNIT_STEP ? `${bytes} bytes` : `${formatSize(bytes)} (${bytes} bytes)`;
}

const SIZE_TEXT = /^(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)B?$/;
const PREFIXES = ["", "K", "M", "G", "T"];
const BINARY_STEP = 1024;

/** Bytes of a size as a person writes it: "60M" and "60 MB" are powers of 1000, "60Mi" and "60 MiB" of 1024. Undefined for any other text. */
export function parseSize(text: string): number | undefined {
  const [, digits, prefix = "", binary] = SIZE_TEXT.exec(text.trim()) ?? [];
  if (digits === undefined || (binary === "i" && prefix === "")) return undefined;
  const step = binary === "i" ? BINARY_STEP : UNIT_STEP;
  const bytes = Math.round(Number(digits) * step ** PREFIXES.indexOf(prefix.toUpperCase()));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

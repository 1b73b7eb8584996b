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

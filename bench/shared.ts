import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What is measured: a kernel, its modules and its initrd. */
export interface Input {
  readonly release: string;
  readonly vmlinuz: string;
  readonly modules: string;
  readonly initrd: string;
  /** The same made with dracut's module "squash". These two are made when they are asked for. */
  readonly squash: () => string;
  /** A folder with a system that the initrd can hand over to. */
  readonly root: () => string;
}

export const LAZYRD = fileURLToPath(new URL("../dist/lazyrd.js", import.meta.url));

export function lazyrd(args: readonly string[]): void {
  execFileSync(process.execPath, [LAZYRD, ...args], { stdio: ["ignore", "ignore", "inherit"] });
}

/** Rows of text in columns; the first column left, the others right. */
export function table(rows: readonly (readonly string[])[]): string {
  const columns = rows[0]?.length ?? 0;
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ");
  return `${rows.map((row) => `  ${line(row)}`.trimEnd()).join("\n")}\n`;
}

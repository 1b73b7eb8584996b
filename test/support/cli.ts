import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MAX_OUTPUT_BYTES = 1 << 28;

let built = false;

/** The path of the program as it is shipped, built anew when a source is newer. */
export function lazyrdProgram(): string {
  if (!built) {
    const { status, stderr } = spawnSync(process.execPath, [join(ROOT, "scripts", "build.mjs")], { encoding: "utf8" });
    if (status !== 0) throw new Error(`Cannot build the program: ${stderr}`);
    built = true;
  }
  return join(ROOT, "dist", "lazyrd.js");
}

export interface CliResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  /** For the program that is run: the shell that sets a umask, say. */
  readonly shellPrefix?: string;
}

/** Runs lazyrd to its end. */
export function lazyrd(args: readonly string[], options: CliOptions = {}): CliResult {
  const { cwd, env, uid, shellPrefix } = options;
  const program = [process.execPath, lazyrdProgram(), ...args];
  const argv = shellPrefix === undefined ? program : ["sh", "-c", `${shellPrefix}; exec "$@"`, "sh", ...program];
  const [command = "", ...rest] = argv;
  const result = spawnSync(command, rest, {
    cwd,
    uid,
    env: { ...process.env, ...env },
    encoding: "utf8",
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  if (result.error !== undefined) throw result.error;
  return { status: result.status, stdout: result.stdout, stderr: result.stderr };
}

/** Everything in a folder: by path a digest of each file's content, the target of each link, "folder" for folders. */
export function contentsOf(folder: string, prefix = ""): Record<string, string> {
  const contents: Record<string, string> = {};
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    const status = lstatSync(path);
    const shown = prefix + name;
    if (status.isDirectory()) Object.assign(contents, { [shown]: "folder" }, contentsOf(path, `${shown}/`));
    else if (status.isSymbolicLink()) contents[shown] = `-> ${readlinkSync(path)}`;
    else contents[shown] = createHash("sha256").update(readFileSync(path)).digest("hex");
  }
  return contents;
}

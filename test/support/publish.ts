import { existsSync, renameSync, rmSync } from "node:fs";

/** Gives a folder its name in the cache. Another worker may have made the same at the same time: the first one stays. */
export function publish(own: string, path: string): void {
  try {
    renameSync(own, path);
  } catch (error) {
    rmSync(own, { recursive: true });
    if (!existsSync(path)) throw error;
  }
}

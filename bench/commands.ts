import { spawnSync } from "node:child_process";
import { performance } from "node:perf_hooks";

/** What a command took. */
export interface Cost {
  readonly seconds: number;
  /** Of all its processes, user and system. */
  readonly cpuSeconds: number;
  /** Of its largest process: resident memory at the worst moment. */
  readonly peakBytes: number;
}

const KIB = 1024;

/** Runs a line of shell and measures it with GNU time. */
export function measureCommand(line: string): Cost {
  const start = performance.now();
  const args = ["-f", "%U %S %M", "bash", "-euo", "pipefail", "-c", line];
  const { status, stderr } = spawnSync("/usr/bin/time", args, {
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
  });
  const seconds = (performance.now() - start) / 1000;
  if (status !== 0) throw new Error(`${line} exited with ${status}: ${stderr}`);
  const [user = 0, system = 0, peak = 0] = (stderr.trim().split("\n").at(-1) ?? "").split(" ").map(Number);
  return { seconds, cpuSeconds: user + system, peakBytes: peak * KIB };
}

/** Runs each job `runs` times, in turns, so that a busy moment of this machine does not hit only one. */
export async function inTurns<T>(
  jobs: ReadonlyMap<string, () => T | Promise<T>>,
  runs: number,
): Promise<ReadonlyMap<string, T[]>> {
  const results = new Map<string, T[]>([...jobs.keys()].map((name) => [name, []]));
  for (let run = 1; run <= runs; run++) {
    for (const [name, job] of jobs) {
      process.stderr.write(`${run} of ${runs}: ${name}\n`);
      results.get(name)?.push(await job());
    }
  }
  return results;
}

/** The one with the fewest seconds: other work of this machine can only add to it. */
export function best<T extends { readonly seconds: number }>(costs: readonly T[]): T {
  const [first, ...others] = costs;
  if (first === undefined) throw new RangeError("Nothing was measured");
  return others.reduce((least, cost) => (cost.seconds < least.seconds ? cost : least), first);
}

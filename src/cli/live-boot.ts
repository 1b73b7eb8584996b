import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { machine, release } from "node:os";
import { packageVersion, readInput } from "../host/index.ts";
import { type LiveSources, liveTrace, MANAGER_PROPERTIES, type Trace, UNIT_PROPERTIES } from "../trace/index.ts";
import { printWarnings } from "./terminal.ts";

/** Written by the first stage. */
const TIMELINE = "/run/lazyrd/timeline.json";

/** The trace of the boot that this machine has made. */
export function traceThisMachine(): Trace {
  const manager = showProperties(MANAGER_PROPERTIES);
  if (manager === undefined) printWarnings(["systemctl does not answer: the times of systemd are missing"]);
  const sources: LiveSources = {
    generator: `lazyrd ${packageVersion()}`,
    kernelRelease: release(),
    architecture: machine(),
    commandLine: textOf("/proc/cmdline"),
    timeline: existsSync(TIMELINE) ? textOf(TIMELINE) : undefined,
    manager,
    multiUser: manager === undefined ? undefined : showProperties(UNIT_PROPERTIES, "multi-user.target"),
    memory: textOf("/proc/meminfo"),
    disks: textOf("/proc/diskstats"),
    diskNames: wholeDisks(),
    uptime: textOf("/proc/uptime"),
  };
  return liveTrace(sources);
}

/** Those with hardware behind them: what others read (loop devices, volumes) these read, too. */
function wholeDisks(): string[] {
  if (!existsSync("/sys/block")) return [];
  return readdirSync("/sys/block").filter((name) => existsSync(`/sys/block/${name}/device`));
}

/** Undefined where systemd does not run, or is not there. */
function showProperties(names: readonly string[], ...unit: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync("systemctl", ["show", ...unit, `--property=${names.join(",")}`], {
    encoding: "utf8",
  });
  return status === 0 ? stdout : undefined;
}

function textOf(path: string): string {
  return Buffer.from(readInput(path, "the machine's state in")).toString("utf8");
}

import type { TraceEnd } from "../../trace/index.ts";
import type { BootReport } from "../types.ts";
import { type Html, type HtmlValue, html } from "./html.ts";
import { badge } from "./series.ts";
import { table } from "./table.ts";

const ENDS: Readonly<Record<TraceEnd, string>> = {
  reached: "as far as was waited for",
  "guest-ended": "the machine stopped by itself",
  timeout: "time was over before it got there",
};

const WAYS = { classic: "the whole initrd in memory (classic)", lazy: "first stage, then the image (lazyrd)" } as const;

/** What was booted, and how. */
export function factsTable(boots: readonly BootReport[]): Html {
  const columns = [
    { title: html`<span class="spoken">Fact</span>` },
    ...boots.map(({ letter, name }, index) => ({
      title: boots.length === 1 ? name : html`${badge(letter, index)} ${name}`,
    })),
  ];
  const row = (title: string, value: (report: BootReport) => HtmlValue): HtmlValue[] => [title, ...boots.map(value)];
  return table("What was booted", columns, [
    row("Boots", ({ boot }) => WAYS[boot.way]),
    row("Kernel", ({ boot }) => `${boot.kernelRelease}, ${boot.architecture}`),
    row("Root hash", ({ boot }) => (boot.rootHash === null ? "none" : html`<code>${boot.rootHash}</code>`)),
    row("Command line", ({ boot }) => html`<code>${boot.commandLine}</code>`),
    row("Machine", machineOf),
    row("Ended", ({ end }) => ENDS[end]),
    row("Recorded by", ({ boot }) => boot.generator),
  ]);
}

function machineOf({ boot: { machine } }: BootReport): string {
  if (machine === null) return "a real one";
  const { qemuVersion, memoryMib, cpus, cpuModel, diskBus, countsInstructions } = machine;
  const clock = countsInstructions ? "its time counts instructions, 1 ns each" : "its time is the host's";
  const processors = cpus === 1 ? "1 processor" : `${cpus} processors`;
  return `QEMU ${qemuVersion}, ${processors} (${cpuModel}), ${memoryMib} MiB, image on ${diskBus}; ${clock}`;
}

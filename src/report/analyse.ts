import { compareBoots } from "./compare.ts";
import { figuresOf } from "./figures.ts";
import { imageUse } from "./image-use.ts";
import { memoryUse } from "./memory.ts";
import { readCurve } from "./read-curve.ts";
import { endOf, stagesOf } from "./stages.ts";
import type { BootReport, Report, ReportedTrace, ScalingSeries } from "./types.ts";

/** As many boots as have letters, lines and patterns of their own. */
export const MAX_BOOTS = 6;

/** What traces say, the first one being what the others are compared with. At most `MAX_BOOTS`. */
export function analyseTraces(traces: readonly ReportedTrace[], scaling: readonly ScalingSeries[]): Report {
  const boots = traces.map(analyseTrace);
  const [first, ...others] = boots;
  return { boots, differences: first === undefined ? [] : others.map((boot) => compareBoots(first, boot)), scaling };
}

function analyseTrace({ name, trace, map }: ReportedTrace, index: number): BootReport {
  const image = imageUse(trace, map);
  const { boot, end, steps, disks, lines } = trace;
  return {
    letter: String.fromCharCode("A".charCodeAt(0) + index),
    name,
    boot,
    end,
    endNs: endOf(trace),
    figures: figuresOf(trace, image),
    stages: stagesOf(trace),
    steps,
    curve: readCurve(trace.reads),
    image,
    disks,
    memory: memoryUse(trace),
    modules: trace.modules,
    lines,
  };
}

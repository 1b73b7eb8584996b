import type { Trace } from "../trace/index.ts";
import type { MemoryUse } from "./types.ts";

/** What of the machine's memory was not free at each milestone at which that was looked at. */
export function memoryUse({ memory, milestones }: Pick<Trace, "memory" | "milestones">): MemoryUse[] {
  return memory
    .filter(({ what }) => what === "used")
    .flatMap(({ ns, bytes }) => {
      const reached = milestones.findLast((milestone) => milestone.ns <= ns);
      return reached === undefined ? [] : [{ name: reached.name, title: reached.title, ns, bytes }];
    });
}

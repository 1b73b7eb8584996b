import type { Generation } from "../build/index.ts";
import type { ServedRequest } from "../host/index.ts";
import type { Machine } from "../vm/index.ts";
import { withImageDisk } from "./boot-disk.ts";
import { type HardwareFlags, type MachineFlags, machineOf } from "./machine.ts";
import { withReachableImage } from "./served-image.ts";

/** What is to be booted of a generation, and in which machine. */
export type GenerationFlags = HardwareFlags & Pick<MachineFlags, "classic">;

/**
 * Calls `run` with a machine that boots a generation and has its image where the layout looks for it: on a disk, as a file
 * on a disk, in memory, or on a server, each for that time only.
 * @param onRequest told of each request to that server
 * @throws UsageError when lazyrd cannot put it there.
 */
export function withMachineOf<T>(
  generation: Generation,
  flags: GenerationFlags,
  options: { readonly countInstructions: boolean; readonly onRequest?: (request: ServedRequest) => void },
  run: (machine: Machine) => Promise<T>,
): Promise<T> {
  return withImageDisk(generation, (disk) => {
    const machine = machineOf(generation, flags, { countInstructions: options.countInstructions, disk });
    return withReachableImage(generation, machine, run, options.onRequest);
  });
}

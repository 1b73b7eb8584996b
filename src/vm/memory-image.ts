import { statSync } from "node:fs";
import { alignUp } from "../bytes/index.ts";
import type { Machine, MemoryDevice } from "./types.ts";

/** Above the kernel and below the initrd, which QEMU puts at the end of the memory that it uses for that. */
const ADDRESS = 1 << 28;
/** Parts of memory that Linux takes for a device begin and end at multiples of this. */
const ALIGNMENT = 1 << 27;

/** The machine without a disk, and with an image as memory of its own. */
export function withMemoryDevice(machine: Machine, path: string, device: MemoryDevice): Machine {
  return { ...machine, disks: [], memoryImage: { path, device, sizeBytes: statSync(path).size } };
}

/** The machine without a disk, and with an image in its memory, where a loader would have left it. */
export function withImageInMemory(machine: Machine, path: string): Machine {
  const sizeBytes = alignUp(statSync(path).size, ALIGNMENT);
  const hex = (number: number): string => `0x${number.toString(16)}`;
  const commandLine = `${machine.commandLine} memmap=${hex(sizeBytes)}!${hex(ADDRESS)}`;
  return { ...machine, disks: [], commandLine, memoryImage: { path, address: ADDRESS } };
}

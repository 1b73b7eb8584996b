import type { Trace } from "../trace/index.ts";
import { memoryUse } from "./memory.ts";
import type { Figure, ImageUse } from "./types.ts";

/** The figures that a boot is known by. Every boot has the same ones, in the same order. */
export function figuresOf(
  trace: Trace,
  { imageBytes, requests, requestedBytes, readBytes, usedBytes }: ImageUse,
): Figure[] {
  const at = (name: string): number | undefined => trace.milestones.find((milestone) => milestone.name === name)?.ns;
  const [started, handed] = [at("first-stage"), at("switch")];
  // A real machine counts requests, and does not see them.
  const seesReads = trace.boot.source === "qemu" && imageBytes > 0;
  const read = <T>(value: T): T | undefined => (seesReads ? value : undefined);
  const firstStage = started === undefined || handed === undefined ? undefined : handed - started;
  return [
    { name: "init", title: "until the initrd's own init runs", unit: "ns", value: at("next-stage") },
    { name: "initrd-target", title: "until initrd.target", unit: "ns", value: at("initrd-target") },
    { name: "root-wanted", title: "until the root file system is looked for", unit: "ns", value: at("root-wanted") },
    { name: "first-stage", title: "in the first stage", unit: "ns", value: firstStage },
    {
      name: "loaded",
      title: "brought into memory by the loader",
      unit: "bytes",
      value: trace.boot.loadedBytes ?? undefined,
    },
    { name: "memory", title: "of memory in use when it runs", unit: "bytes", value: memoryAt(trace, "next-stage") },
    { name: "read", title: "read of the image", unit: "bytes", value: read(requestedBytes) },
    { name: "requests", title: "read requests", unit: "requests", value: read(requests) },
    { name: "used", title: "of the image in use: clusters touched", unit: "bytes", value: usedBytes },
    { name: "share", title: "of the image read", unit: "share", value: read(readBytes / imageBytes) },
  ];
}

function memoryAt(trace: Trace, name: string): number | undefined {
  return memoryUse(trace).find((use) => use.name === name)?.bytes;
}

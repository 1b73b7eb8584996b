import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { formatSize } from "../src/text/index.ts";
import type { Analysis } from "../src/trace/index.ts";
import { type Input, LAZYRD, lazyrd, table } from "./shared.ts";

/** What one traced boot read until initrd.target; bytes. */
export interface ReadsOfBoot {
  readonly image: "default order" | "recorded boot";
  readonly disk: Analysis["disk"] & { readonly touchedBytes: number; readonly readPerTouched: number };
  readonly targetNs: number | undefined;
}

/** One initrd as two images: laid out without a profile, and by the profile of a boot of that one. */
export function benchProfile({ vmlinuz, modules, initrd }: Input, folder: string): ReadsOfBoot[] {
  const inputs = ["-q", "--kernel", vmlinuz, "--modules", modules, "--initrd", initrd, "--drivers", "virtio"];
  const [first, second, profile] = ["first", "second", "profile"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  lazyrd(["build", ...inputs, "-o", first]);
  const before = trace(first);
  lazyrd(["profile", `${first}.trace`, "-o", profile]);
  lazyrd(["build", ...inputs, "--profile", profile, "-o", second]);
  return [
    { image: "default order", ...before },
    { image: "recorded boot", ...trace(second) },
  ];
}

function trace(generation: string): Omit<ReadsOfBoot, "image"> {
  const args = ["trace", "-q", "--json", "--exact", "--timeout", "100000", generation, "-o", `${generation}.trace`];
  const printed = execFileSync(process.execPath, [LAZYRD, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  const { disk, done }: Pick<ReadsOfBoot, "disk"> & Pick<Analysis, "done"> = JSON.parse(printed);
  return { disk, targetNs: done?.ns };
}

export function describeProfile(boots: readonly ReadsOfBoot[]): string {
  const rows = boots.map(({ image, disk }) => [
    image,
    formatSize(disk.bytes),
    formatSize(disk.touchedBytes),
    disk.readPerTouched.toFixed(2),
    String(disk.requests),
    String(disk.runs),
  ]);
  return `\nRead until initrd.target\n${table([["image", "bytes read", "clusters touched", "ratio", "requests", "seeks"], ...rows])}`;
}

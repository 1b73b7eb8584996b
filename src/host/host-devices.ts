import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { UsageError } from "../bytes/index.ts";

/** A device of this machine that stands between the processor and a disk. */
export interface DiskPathDevice {
  readonly modalias: string;
  /** Its path in /sys. */
  readonly device: string;
}

/**
 * The devices that this machine's disks are reached through: each disk's own and all it hangs on, the outermost
 * first. What must be loaded to reach the disks again at the next boot.
 * @param sysfs where sysfs is mounted
 * @throws UsageError when the machine shows no disk (in a container, say).
 */
export function readDiskDevices(sysfs = "/sys"): DiskPathDevice[] {
  const blockClass = join(sysfs, "class", "block");
  const devicesRoot = join(sysfs, "devices");
  const found = new Map<string, DiskPathDevice>();
  for (const disk of existsSync(blockClass) ? readdirSync(blockClass).sort() : []) {
    const chain: DiskPathDevice[] = [];
    let path = realpathSync(join(blockClass, disk));
    for (; path.startsWith(`${devicesRoot}/`); path = dirname(path)) {
      const file = join(path, "modalias");
      if (existsSync(file)) chain.unshift({ modalias: readFileSync(file, "latin1").trim(), device: path });
    }
    for (const device of chain) found.set(device.device, device);
  }
  if (found.size > 0) return [...found.values()];
  throw new UsageError("Cannot tell which drivers this machine's disks need: it shows no disk with a driver", {
    hint: "name the drivers with --drivers, or use --drivers generic",
  });
}

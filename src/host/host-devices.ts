import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { UsageError } from "../bytes/index.ts";

/** A device of this machine that stands between the processor and a disk or a network. */
export interface PathDevice {
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
export function readDiskDevices(sysfs = "/sys"): PathDevice[] {
  return requireSome(devicesOfClass(sysfs, "block"), "disks need: it shows no disk with a driver");
}

/**
 * The same for this machine's wired network interfaces.
 * @throws UsageError when the machine shows none.
 */
export function readNetworkDevices(sysfs = "/sys"): PathDevice[] {
  const devices = devicesOfClass(sysfs, "net", (folder) => !existsSync(join(folder, "phy80211")));
  return requireSome(devices, "network needs: it shows no wired interface with a driver");
}

function devicesOfClass(sysfs: string, name: string, isMeant: (folder: string) => boolean = () => true): PathDevice[] {
  const folder = join(sysfs, "class", name);
  const devicesRoot = join(sysfs, "devices");
  const found = new Map<string, PathDevice>();
  for (const member of existsSync(folder) ? readdirSync(folder).sort() : []) {
    if (!isMeant(join(folder, member))) continue;
    const chain: PathDevice[] = [];
    let path = realpathSync(join(folder, member));
    for (; path.startsWith(`${devicesRoot}/`); path = dirname(path)) {
      const file = join(path, "modalias");
      if (existsSync(file)) chain.unshift({ modalias: readFileSync(file, "latin1").trim(), device: path });
    }
    for (const device of chain) found.set(device.device, device);
  }
  return [...found.values()];
}

function requireSome(devices: PathDevice[], lack: string): PathDevice[] {
  if (devices.length > 0) return devices;
  throw new UsageError(`Cannot tell which drivers this machine's ${lack}`, {
    hint: "name the drivers with --drivers, or use --drivers generic",
  });
}

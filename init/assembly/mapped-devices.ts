import { removeDevice } from "./device-mapper";
import { Text } from "./text";
import { Made, noteMade } from "./undo";

const mapped: Text[] = [];

@final
class MadeMappedDevice extends Made {
  override takeBack(): i32 {
    return isThere(this.what) ? removeMapped(this.what) : 0;
  }
}

/** Notes that a step made a mapped device of this name. */
export function noteMapped(name: Text): void {
  mapped.push(name);
  noteMade(new MadeMappedDevice(name));
}

/** Takes a mapped device away; 0 or -errno. */
export function removeMapped(name: Text): i32 {
  for (let i = mapped.length - 1; i >= 0; i--) if (mapped[i].same(name)) mapped.splice(i, 1);
  return removeDevice(name);
}

function isThere(name: Text): bool {
  for (let i = 0; i < mapped.length; i++) if (mapped[i].same(name)) return true;
  return false;
}

/**
 * Has the kernel take down the mapped devices when the last file system on them is unmounted, so that nothing of the
 * first stage holds the image's disk once the boot has left the image.
 */
export function releaseMappedDevices(): void {
  for (let i = mapped.length - 1; i >= 0; i--) removeDevice(mapped[i]);
}

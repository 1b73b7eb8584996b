import { removeDevice } from "./device-mapper";
import { Text } from "./text";
import { Made, noteMade } from "./undo";

const mapped: Text[] = [];

@final
class MadeMappedDevice extends Made {
  override takeBack(): i32 {
    mapped.pop(); // what was made last is taken back first
    return removeDevice(this.what);
  }
}

/** Notes that a step made a mapped device of this name. */
export function noteMapped(name: Text): void {
  mapped.push(name);
  noteMade(new MadeMappedDevice(name));
}

/**
 * Has the kernel take down the mapped devices when the last file system on them is unmounted, so that nothing of the
 * first stage holds the image's disk once the boot has left the image.
 */
export function releaseMappedDevices(): void {
  for (let i = mapped.length - 1; i >= 0; i--) removeDevice(mapped[i]);
}

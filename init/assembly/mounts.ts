import * as kernel from "./kernel";
import { path, PATH_MAX, Text, Writer } from "./text";
import { forgetMade, Made, noteMade } from "./undo";

const place = new Writer(PATH_MAX);
const origin = new Writer(PATH_MAX);

@final
class MadeMount extends Made {
  override takeBack(): i32 {
    return unmount(this.what);
  }
}

/** Mounts at `target`; 0 or -errno. A candidate that comes to nothing takes it back. */
export function mountAt(source: usize, target: Text, type: usize, flags: i32, options: usize): i32 {
  const result = kernel.mount(source, place.reset().text(target).path(), type, flags, options);
  if (result >= 0) noteMade(new MadeMount(target));
  return result;
}

/** Moves the topmost mount at `source`; 0 or -errno. */
export function moveMount(source: Text, target: Text): i32 {
  const from = origin.reset().text(source).path();
  const result = kernel.mount(from, place.reset().text(target).path(), path(""), kernel.MS_MOVE, 0);
  if (result < 0) return result;
  forgetMade(source);
  noteMade(new MadeMount(target));
  return result;
}

/** Takes the topmost mount at `target` out of the tree; what uses it keeps it. 0 or -errno. */
export function detachMount(target: Text): i32 {
  const result = unmount(target);
  if (result >= 0) forgetMade(target);
  return result;
}

function unmount(target: Text): i32 {
  return kernel.umount2(place.reset().text(target).path(), kernel.MNT_DETACH);
}

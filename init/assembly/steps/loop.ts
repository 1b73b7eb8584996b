import { addDevice } from "../devices";
import * as kernel from "../kernel";
import { attachLoop, LARGEST_BLOCK } from "../loop-device";
import { Step } from "../plan";
import { because, outcome, problem } from "../report";
import { Stat } from "../stat";
import { PATH_MAX, path, Text, Writer } from "../text";

const file = new Writer(PATH_MAX);
const node = new Writer(32);
const stat = new Stat();

/**
 * `loop NAME FILE [offset=BYTES] [size=BYTES]`: a part of a file, or all of it, as a read-only block device. It goes
 * away by itself with its last user.
 */
export function loopStep(step: Step): bool {
  const name = step.word(1);
  const place = step.word(2);
  const offset = step.bytes("offset", 0);
  const size = step.bytes("size", -1);
  if (place.length == 0 || offset < 0) {
    problem("the plan's line lacks a file, or has an offset that is no number");
    return false;
  }
  const descriptor = kernel.openat(kernel.AT_FDCWD, file.reset().text(place).path(), kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
  if (descriptor < 0) return because(problem("cannot open ").text(place), descriptor);
  const attached = isLargeEnough(descriptor, place, offset, size) && attach(name, descriptor, offset, size);
  kernel.close(descriptor);
  if (attached) outcome().text(name).literal(" is ").text(node.toText()).literal(", ").text(place);
  return attached;
}

function attach(name: Text, descriptor: i32, offset: i64, size: i64): bool {
  if (!attachLoop(descriptor, offset, max<i64>(size, 0), LARGEST_BLOCK, node)) return false;
  addDevice(name, node.toText());
  return true;
}

/** A loop device would take a file that was cut off, and be as short. */
export function isLargeEnough(descriptor: i32, place: Text, offset: i64, size: i64): bool {
  const result = stat.read(descriptor, path(""));
  if (result < 0) return because(problem("cannot tell the size of ").text(place), result);
  if (!stat.isRegular) {
    problem("not a regular file: ").text(place);
    return false;
  }
  if (size < 0 || stat.size >= offset + size) return true;
  const report = problem("the image is cut off: ").text(place).literal(" has ").number(stat.size);
  report.literal(" bytes instead of ").number(offset + size);
  return false;
}

import { findDevice } from "../devices";
import * as kernel from "../kernel";
import { removeMapped } from "../mapped-devices";
import { Step } from "../plan";
import { because, outcome, problem } from "../report";
import { PATH_MAX, Writer } from "../text";

const BUFFER_SIZE: i32 = 32 * 1024;

const node = new Writer(PATH_MAX);
const buffer = memory.data(BUFFER_SIZE);

/**
 * `check NAME`: reads all of a device that `verity` opened, so that every block of it has been checked, and closes it.
 * What is below it can then be used by itself, where nobody can exchange it any more.
 */
export function checkStep(step: Step): bool {
  const name = step.word(1);
  const device = findDevice(name);
  if (device === null) {
    problem("no step before this one found a device named ").text(name);
    return false;
  }
  const file = kernel.openat(kernel.AT_FDCWD, node.reset().text(device.node).path(), kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
  if (file < 0) return because(problem("cannot open ").text(device.node), file);
  let bytes: i64 = 0;
  let got = kernel.read(file, buffer, BUFFER_SIZE);
  while (got > 0) {
    bytes += got;
    got = kernel.read(file, buffer, BUFFER_SIZE);
  }
  kernel.close(file);
  if (got < 0) return because(problem("the image is damaged behind byte ").number(bytes), got);
  const removed = removeMapped(name);
  if (removed < 0) return because(problem("cannot close ").text(name), removed);
  outcome().text(name).literal(", ").number(bytes >> 20).literal(" MiB");
  return true;
}

import { findDevice } from "../devices";
import { makeDirectory } from "../files";
import * as kernel from "../kernel";
import { mountAt } from "../mounts";
import { Step } from "../plan";
import { because, outcome, problem } from "../report";
import { PATH_MAX, Text, Writer } from "../text";

const source = new Writer(PATH_MAX);
const target = new Writer(PATH_MAX);
const type = new Writer(64);
const options = new Writer(PATH_MAX);

/**
 * `mount DEVICE TARGET TYPE [options=...]`: mounts a device that an earlier step found, read-only, or with
 * DEVICE "none" a file system of memory. The target is made when it is missing.
 */
export function mountStep(step: Step): bool {
  const device = findDevice(step.word(1));
  const place = step.word(2);
  if (device === null && !step.word(1).equals("none")) {
    problem("no step before this one found a device named ").text(step.word(1));
    return false;
  }
  const given = step.option("options");
  options.reset();
  if (given !== null) options.text(given);
  source.reset();
  if (device === null) source.literal("lazyrd");
  else source.text(device.node);
  return mountThere(place, step.word(3), device === null ? kernel.MS_NOSUID | kernel.MS_NODEV : kernel.MS_RDONLY);
}

function mountThere(place: Text, fileSystem: Text, flags: i32): bool {
  target.reset().text(place);
  let result = makeDirectory(target.path(), 0o755);
  if (result < 0) return because(problem("cannot make the mount point ").text(place), result);
  type.reset().text(fileSystem);
  result = mountAt(source.path(), place, type.path(), flags, options.path());
  outcome().text(source.toText()).literal(" at ").text(place);
  if (result >= 0) return true;
  return because(problem("cannot mount ").text(source.toText()).literal(" as ").text(fileSystem), result);
}

import { findDevice } from "../devices";
import { makeDirectory } from "../files";
import * as kernel from "../kernel";
import { mountAt } from "../mounts";
import { Step } from "../plan";
import { because, outcome, problem } from "../report";
import { PATH_MAX, Text, Writer } from "../text";

/** What is asked for at once: of more the kernel reads only as much as the disk takes in one request. */
const PREFETCH_BYTES: i64 = 128 << 10;
const KIB: i64 = 1024;
/** More would no longer be a small part of the image, nor of the memory. */
const MAX_PREFETCH_KIB: i64 = 64 << 10;

const source = new Writer(PATH_MAX);
const target = new Writer(PATH_MAX);
const type = new Writer(64);
const options = new Writer(PATH_MAX);

/**
 * `mount DEVICE TARGET TYPE [options=...] [prefetch=KIB]`: mounts a device that an earlier step found, read-only, or
 * with DEVICE "none" a file system of memory. The target is made when it is missing. `prefetch` is how much of the
 * device's start is worth having in memory.
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
  const wished = step.option("prefetch");
  const prefetchKib = wished === null ? 0 : wished.toNumber();
  if (prefetchKib < 0 || prefetchKib > MAX_PREFETCH_KIB) {
    problem("prefetch= is not a number of KiB up to ").number(MAX_PREFETCH_KIB);
    return false;
  }
  const flags = device === null ? kernel.MS_NOSUID | kernel.MS_NODEV : kernel.MS_RDONLY;
  if (!mountThere(place, step.word(3), flags)) return false;
  if (device !== null && prefetchKib > 0) prefetch(prefetchKib);
  return true;
}

/**
 * Lets the start of the device that is mounted be read while the boot goes on. What the kernel refuses to read now is
 * read when it is used. (Before the mount this would be for nothing: a device's cache lives as long as it is open.)
 */
function prefetch(kibibytes: i64): void {
  const file = kernel.openat(kernel.AT_FDCWD, source.path(), kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
  if (file < 0) {
    because(outcome().literal(", nothing prefetched"), file);
    return;
  }
  const end = kibibytes * KIB;
  let result = 0;
  for (let at: i64 = 0; at < end && result >= 0; at += PREFETCH_BYTES) {
    result = kernel.readahead(file, at, i32(min(PREFETCH_BYTES, end - at)));
  }
  kernel.close(file);
  if (result < 0) because(outcome().literal(", not prefetched"), result);
  else outcome().literal(", ").number(kibibytes).literal(" KiB prefetched");
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

import { DirectoryReader, readSmallFile, readWholeFile } from "../files";
import * as kernel from "../kernel";
import { Step } from "../plan";
import { because, compose, currentProblem, ERROR, problem, say } from "../report";
import { PATH_MAX, Text, Writer, path } from "../text";
import { isLoaded, loadModule } from "./modules";

const LINE_FEED: u8 = 0x0a;
const SPACE: u8 = 0x20;
const STAR: u8 = 0x2a;

/** The kernel hands out a modalias in at most one page of text. */
const MODALIAS_CAPACITY: i32 = 4096;

/** A driver that one kind of hardware needs: what to load when a device's modalias matches. */
@final
class Driver {
  failed: bool = false;

  constructor(
    readonly pattern: Text,
    /** In load order; the driver itself last. */
    readonly modules: Text[],
  ) {}

  get name(): Text {
    return this.modules[this.modules.length - 1];
  }
}

const drivers: Driver[] = [];
const buses: Text[] = [];
const devicesOfBus = new DirectoryReader();
const file = new Writer(PATH_MAX);
const modalias = memory.data(MODALIAS_CAPACITY);

/**
 * `coldplug BUS...`: loads the drivers, out of /lazyrd/drivers, whose pattern matches a device on one of these
 * buses. Waiting for a device repeats it, because a driver makes new devices appear.
 */
export function coldplugStep(step: Step): bool {
  const table = readWholeFile(path("/lazyrd/drivers"));
  if (table === null) return because(problem("cannot read /lazyrd/drivers"), -kernel.ENOENT);
  parseDrivers(table);
  for (let i = 1; i < step.words.length; i++) buses.push(step.words[i]);
  coldplug();
  return true;
}

/**
 * Loads what the devices that are there now need. A driver that the kernel refuses is reported once and left
 * out: the disk may well be behind another one, and if it is not, the wait for it says so.
 */
export function coldplug(): void {
  for (let i = 0; i < buses.length; i++) {
    file.reset().literal("/sys/bus/").text(buses[i]).literal("/devices");
    if (devicesOfBus.open(kernel.AT_FDCWD, file.path()) < 0) continue; // a bus that this machine does not have
    file.literal("/");
    const base = file.length;
    while (devicesOfBus.next()) {
      file.truncate(base).bytes(devicesOfBus.name, devicesOfBus.nameLength).literal("/modalias");
      const length = readSmallFile(file.path(), modalias, MODALIAS_CAPACITY);
      if (length > 0) loadDriversFor(modalias, length);
    }
  }
}

function loadDriversFor(alias: usize, length: i32): void {
  for (let i = 0; i < drivers.length; i++) {
    const driver = drivers[i];
    if (driver.failed || isLoaded(driver.name)) continue;
    if (!matches(driver.pattern.start, driver.pattern.length, alias, length)) continue;
    for (let j = 0; j < driver.modules.length; j++) {
      if (loadModule(driver.modules[j])) continue;
      driver.failed = true;
      compose().text(currentProblem());
      say(ERROR);
      break;
    }
  }
}

/** Lines of "PATTERN MODULE...": see docs/plan.md. */
function parseDrivers(table: Text): void {
  let from = 0;
  let words: Text[] = [];
  for (let i = 0; i < table.length; i++) {
    const byte = table.at(i);
    if (byte != SPACE && byte != LINE_FEED) continue;
    if (i > from) words.push(table.slice(from, i));
    from = i + 1;
    if (byte == LINE_FEED) {
      if (words.length > 1) drivers.push(new Driver(words[0], words.slice(1)));
      words = [];
    }
  }
}

/**
 * Whether a modalias has the form of `pattern`, in which "*" stands for any bytes and "?" for one. Patterns of
 * kernel modules have no other wildcards: the builder refuses those that do.
 */
export function matches(pattern: usize, patternLength: i32, text: usize, textLength: i32): bool {
  let p = 0;
  let t = 0;
  let lastStar = -1;
  let resume = 0;
  while (t < textLength) {
    const wanted: u8 = p < patternLength ? load<u8>(pattern + p) : 0;
    if (p < patternLength && wanted == STAR) {
      lastStar = p++;
      resume = t;
    } else if (p < patternLength && (wanted == load<u8>(text + t) || wanted == 0x3f)) {
      p++;
      t++;
    } else if (lastStar >= 0) {
      p = lastStar + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < patternLength && load<u8>(pattern + p) == STAR) p++;
  return p == patternLength;
}

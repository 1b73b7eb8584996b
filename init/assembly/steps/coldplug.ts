import { DirectoryReader, readSmallFile, readWholeFile } from "../files";
import * as kernel from "../kernel";
import { Step } from "../plan";
import { because, compose, currentProblem, ERROR, outcome, problem, say } from "../report";
import { PATH_MAX, Text, Writer, path } from "../text";
import { isLoaded, loadModule, modulesLoaded } from "./modules";

const LINE_FEED: u8 = 0x0a;
const SPACE: u8 = 0x20;
const STAR: u8 = 0x2a;
const MINUS: u8 = 0x2d;
const QUESTION_MARK: u8 = 0x3f;
const OPENING_BRACKET: u8 = 0x5b;
const CLOSING_BRACKET: u8 = 0x5d;

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
  const before = modulesLoaded();
  coldplug();
  outcome().number(modulesLoaded() - before).literal(" loaded");
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
  for (let i = 0; i <= table.length; i++) {
    const byte = i < table.length ? table.at(i) : LINE_FEED;
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
 * Whether a modalias has the form of `pattern`: "*" stands for any bytes, "?" for one, "[0-4b]" for one of a set.
 * That is all that kernel modules use of shell patterns (scripts/mod/file2alias.c).
 */
export function matches(pattern: usize, patternLength: i32, text: usize, textLength: i32): bool {
  let p = 0;
  let t = 0;
  let lastStar = -1;
  let resume = 0;
  while (t < textLength) {
    if (p < patternLength && load<u8>(pattern + p) == STAR) {
      lastStar = p++;
      resume = t;
      continue;
    }
    const end = p < patternLength ? matchOne(pattern, p, patternLength, load<u8>(text + t)) : -1;
    if (end >= 0) {
      p = end;
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

/** Matches one byte with the element of the pattern at `p`: where the next element begins, or -1. */
function matchOne(pattern: usize, p: i32, length: i32, byte: u8): i32 {
  const wanted = load<u8>(pattern + p);
  if (wanted != OPENING_BRACKET) return wanted == byte || wanted == QUESTION_MARK ? p + 1 : -1;
  let found = false;
  let i = p + 1;
  while (i < length && load<u8>(pattern + i) != CLOSING_BRACKET) {
    const low = load<u8>(pattern + i);
    const isRange = i + 2 < length && load<u8>(pattern + i + 1) == MINUS && load<u8>(pattern + i + 2) != CLOSING_BRACKET;
    const high = isRange ? load<u8>(pattern + i + 2) : low;
    if (byte >= low && byte <= high) found = true;
    i += isRange ? 3 : 1;
  }
  return found && i < length ? i + 1 : -1;
}

import { DirectoryReader, readSmallFile, readWholeFile } from "../files";
import * as kernel from "../kernel";
import { Step } from "../plan";
import { because, compose, currentProblem, ERROR, outcome, problem, say } from "../report";
import { PATH_MAX, Text, Writer, path } from "../text";
import { foundNoUse, loadModule, modulesLoaded } from "./modules";

const LINE_FEED: u8 = 0x0a;
const SPACE: u8 = 0x20;
const STAR: u8 = 0x2a;
const MINUS: u8 = 0x2d;
const QUESTION_MARK: u8 = 0x3f;
/** Before a module that its driver can do without. */
const OPTIONAL = QUESTION_MARK;
const OPENING_BRACKET: u8 = 0x5b;
const CLOSING_BRACKET: u8 = 0x5d;

/** The kernel hands out a modalias in at most one page of text. */
const MODALIAS_CAPACITY: i32 = 4096;

/** A module that a driver asks for. */
@final
class Need {
  constructor(
    readonly module: Text,
    /** The driver can do without it. */
    readonly isOptional: bool,
  ) {}
}

/** A driver: what to load when the modalias of a device matches one of its patterns. */
@final
class Driver {
  readonly patterns: Text[] = [];
  /** In load order, the driver itself among them. */
  readonly needs: Need[] = [];
  /** A device that it drives is, or was, there. */
  isNeeded: bool = false;
  /** Loaded, or refused: neither is tried again. */
  isDone: bool = false;

  /** @param modules the part of a line behind the pattern */
  constructor(readonly modules: Text) {
    let from = 0;
    for (let i = 0; i <= modules.length; i++) {
      if (i < modules.length && modules.at(i) != SPACE) continue;
      const isOptional = modules.at(from) == OPTIONAL;
      const start = isOptional ? from + 1 : from;
      if (i > start) this.needs.push(new Need(modules.slice(start, i), isOptional));
      from = i + 1;
    }
  }
}

/** A folder of /sys/bus. */
@final
class Bus {
  /** When all its devices were looked at for the last time. */
  deviceCount: i32 = 0;

  constructor(readonly name: Text) {}
}

/** The order in which they are loaded, too. */
const drivers: Driver[] = [];
const buses: Bus[] = [];
const devicesOfBus = new DirectoryReader();
const file = new Writer(PATH_MAX);
const modalias = memory.data(MODALIAS_CAPACITY);

/**
 * `coldplug BUS...`: reads /lazyrd/drivers and says on which buses devices are looked for. Drivers are loaded by
 * `device`, for as long as its disk is not there: what the way to the image does not need is left to the next stage.
 */
export function coldplugStep(step: Step): bool {
  const table = readWholeFile(path("/lazyrd/drivers"));
  if (table === null) return because(problem("cannot read /lazyrd/drivers"), -kernel.ENOENT);
  parseDrivers(table);
  for (let i = 1; i < step.words.length; i++) buses.push(new Bus(step.words[i]));
  outcome().number(drivers.length).literal(" drivers at hand");
  return true;
}

/**
 * Loads the next driver, in the order of the table, that a device needs; false when there is none left. A driver that
 * the kernel refuses is reported once and left out: the disk may well be behind another one, and if it is not, the
 * wait for it says so.
 */
export function loadNextDriver(): bool {
  for (let i = 0; i < buses.length; i++) lookAtDevices(buses[i]);
  for (let i = 0; i < drivers.length; i++) {
    const driver = drivers[i];
    if (driver.isDone || !driver.isNeeded) continue;
    driver.isDone = true;
    const before = modulesLoaded();
    loadDriver(driver);
    if (modulesLoaded() > before) return true;
  }
  return false;
}

/** Has the next look take all devices for new: one may have come in the place of another. */
export function forgetDevices(): void {
  for (let i = 0; i < buses.length; i++) buses[i].deviceCount = 0;
}

/** Notes which drivers the devices on a bus need, unless there are as many of them as at the last look. */
function lookAtDevices(bus: Bus): void {
  file.reset().literal("/sys/bus/").text(bus.name).literal("/devices");
  const count = countEntries();
  if (count == bus.deviceCount) return;
  bus.deviceCount = count;
  if (devicesOfBus.open(kernel.AT_FDCWD, file.path()) < 0) return;
  file.literal("/");
  const base = file.length;
  while (devicesOfBus.next()) {
    file.truncate(base).bytes(devicesOfBus.name, devicesOfBus.nameLength).literal("/modalias");
    const length = readSmallFile(file.path(), modalias, MODALIAS_CAPACITY);
    if (length > 0) noteNeeds(modalias, length);
  }
}

/** Of the folder in `file`; none where there is no such folder: a bus that this machine does not have. */
function countEntries(): i32 {
  let count = 0;
  if (devicesOfBus.open(kernel.AT_FDCWD, file.path()) < 0) return count;
  while (devicesOfBus.next()) count++;
  return count;
}

function noteNeeds(alias: usize, length: i32): void {
  for (let i = 0; i < drivers.length; i++) {
    const driver = drivers[i];
    if (!driver.isNeeded && isFor(driver, alias, length)) driver.isNeeded = true;
  }
}

function isFor(driver: Driver, alias: usize, length: i32): bool {
  for (let i = 0; i < driver.patterns.length; i++) {
    const pattern = driver.patterns[i];
    if (matches(pattern.start, pattern.length, alias, length)) return true;
  }
  return false;
}

/** Ends at the first module that is refused and that the driver cannot do without. */
function loadDriver(driver: Driver): void {
  for (let i = 0; i < driver.needs.length; i++) {
    const need = driver.needs[i];
    if (loadModule(need.module) || (need.isOptional && foundNoUse())) continue;
    compose().text(currentProblem());
    say(ERROR);
    if (!need.isOptional) return;
  }
}

/** Lines of "PATTERN MODULE...": see docs/plan.md. Those of one driver stand together. */
function parseDrivers(table: Text): void {
  let from = 0;
  for (let i = 0; i <= table.length; i++) {
    if (i < table.length && table.at(i) != LINE_FEED) continue;
    const line = table.slice(from, i);
    from = i + 1;
    const end = line.indexOf(SPACE);
    if (end > 0) addDriver(line.slice(0, end), line.slice(end + 1, line.length));
  }
}

function addDriver(pattern: Text, modules: Text): void {
  if (drivers.length == 0 || !drivers[drivers.length - 1].modules.same(modules)) drivers.push(new Driver(modules));
  drivers[drivers.length - 1].patterns.push(pattern);
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

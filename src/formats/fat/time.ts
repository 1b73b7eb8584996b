import type { DirectoryEntry } from "./layout.ts";

const MS_PER_SECOND = 1000;
/** `DIR_CrtTimeTenth` counts hundredths, whatever its name says. */
const HUNDREDTHS_PER_SECOND = 100;

const FIRST_YEAR = 1980;
const EARLIEST = Date.UTC(FIRST_YEAR, 0, 1) / MS_PER_SECOND;
const LATEST = Date.UTC(2107, 11, 31, 23, 59, 59) / MS_PER_SECOND;

/**
 * The time fields of a directory entry, all of the same time (fatgen103, "Date and Time Formats"). FAT knows the
 * years 1980 to 2107: what is outside becomes the first or the last second of them.
 * @param mtime seconds since 1970; FAT has no time zones, ours is UTC
 */
export function encodeTimes(
  mtime: number,
): Pick<
  DirectoryEntry,
  "DIR_CrtTimeTenth" | "DIR_CrtTime" | "DIR_CrtDate" | "DIR_LstAccDate" | "DIR_WrtTime" | "DIR_WrtDate"
> {
  const seconds = Math.min(Math.max(mtime, EARLIEST), LATEST);
  const moment = new Date(seconds * MS_PER_SECOND);
  const date = ((moment.getUTCFullYear() - FIRST_YEAR) << 9) | ((moment.getUTCMonth() + 1) << 5) | moment.getUTCDate();
  const time = (moment.getUTCHours() << 11) | (moment.getUTCMinutes() << 5) | (moment.getUTCSeconds() >> 1);
  return {
    DIR_CrtTimeTenth: (moment.getUTCSeconds() & 1) * HUNDREDTHS_PER_SECOND,
    DIR_CrtTime: time,
    DIR_CrtDate: date,
    DIR_LstAccDate: date,
    DIR_WrtTime: time,
    DIR_WrtDate: date,
  };
}

/** Seconds since 1970 of a date and a time, read as UTC; 0 for a date that is not set. */
export function decodeTime(date: number, time: number): number {
  if (date === 0) return 0;
  // Of months and days that do not exist, Date.UTC makes some other day: a wrong date is no reason to refuse a file.
  const ms = Date.UTC(
    FIRST_YEAR + (date >> 9),
    ((date >> 5) & 0xf) - 1,
    date & 0x1f,
    time >> 11,
    (time >> 5) & 0x3f,
    (time & 0x1f) * 2,
  );
  return ms / MS_PER_SECOND;
}

import { readSmallFile, writeFile } from "./files";
import * as kernel from "./kernel";
import { Text, Writer, path } from "./text";

/** As printk: what an administrator must see, and what only a curious one wants to. */
export const ERROR: u8 = 3;
export const INFO: u8 = 6;

/** A kernel log record holds a little less than 1 KiB of text (PRINTKRB_RECORD_MAX). */
const LINE_CAPACITY: i32 = 960;

const line = new Writer(LINE_CAPACITY);
/** Everything goes to the console, whatever the kernel's log level. */
let isVerbose: bool = false;
const message = new Writer(LINE_CAPACITY);
const consoleLevel = memory.data(16);

/** Has all lines shown on the console from now on. */
export function sayOnConsole(): void {
  isVerbose = true;
}

/** Starts the text of a log line; `say` sends it. */
export function compose(): Writer {
  return message.reset();
}

/**
 * Sends the composed text to the kernel log, which carries it to every console that shows this level.
 *
 * The log is opened for each line: writers to /dev/kmsg are limited to ten lines in five seconds for each time
 * that it was opened (printk_devkmsg), and a boot has more to say than that.
 */
export function say(level: u8): void {
  line.reset().byte(0x3c).byte(0x30 + level).literal(">lazyrd: ").text(message.toText()).byte(0x0a);
  const logged = writeFile(path("/dev/kmsg"), line, 0);
  const mustBeSeen = level == ERROR || isVerbose;
  if (mustBeSeen && (logged < 0 || !consoleShows(level))) {
    line.reset().literal("lazyrd: ").text(message.toText()).literal("\r\n");
    writeFile(path("/dev/console"), line, 0);
  }
}

/** With `loglevel=3` and below the kernel keeps even errors off the console; a machine that stops must say why. */
function consoleShows(level: u8): bool {
  const length = readSmallFile(path("/proc/sys/kernel/printk"), consoleLevel, 1);
  return length == 1 && load<u8>(consoleLevel) > 0x30 + level;
}

const outcomeText = new Writer(LINE_CAPACITY);

/** What a step says of itself once it is done; empty at its beginning. */
export function outcome(): Writer {
  return outcomeText;
}

const problemText = new Writer(LINE_CAPACITY);

/** Starts the description of what went wrong in this step. Steps return `false` after it. */
export function problem(literal: string): Writer {
  return problemText.reset().literal(literal);
}

export function currentProblem(): Text {
  return problemText.toText();
}

/** Ends a description with what the kernel answered, and says false, so that a step can return it. */
export function because(description: Writer, negatedErrno: i32): bool {
  description.literal(": ").literal(errorName(-negatedErrno));
  return false;
}

/** The usual words for an error number, as strerror(3) has them, for those that the first stage can meet. */
function errorName(errno: i32): string {
  switch (errno) {
    case 1: return "operation not permitted (EPERM)";
    case kernel.ENOENT: return "no such file or directory (ENOENT)";
    case kernel.EIO: return "input/output error (EIO)";
    case 6: return "no such device or address (ENXIO)";
    case kernel.ENOEXEC: return "exec format error (ENOEXEC)";
    case 11: return "try again (EAGAIN)";
    case 12: return "out of memory (ENOMEM)";
    case 13: return "permission denied (EACCES)";
    case 15: return "block device required (ENOTBLK)";
    case kernel.EBUSY: return "device or resource busy (EBUSY)";
    case kernel.EEXIST: return "already exists (EEXIST)";
    case kernel.ENODEV: return "no such device or file system type (ENODEV)";
    case 20: return "not a directory (ENOTDIR)";
    case 21: return "is a directory (EISDIR)";
    case kernel.EINVAL: return "invalid argument (EINVAL)";
    case kernel.ENOTTY: return "not supported by this device (ENOTTY)";
    case 28: return "no space left (ENOSPC)";
    case 30: return "read-only (EROFS)";
    case kernel.ENAMETOOLONG: return "name too long (ENAMETOOLONG)";
    case 38: return "not in this kernel (ENOSYS)";
    case kernel.ELOOP: return "too many symbolic links (ELOOP)";
    case 65: return "an algorithm that this kernel does not have (ENOPKG)";
    case 74: return "not a valid signature (EBADMSG)";
    case kernel.EOPNOTSUPP: return "not supported (EOPNOTSUPP)";
    case 99: return "address not available (EADDRNOTAVAIL)";
    case 100: return "network is down (ENETDOWN)";
    case 101: return "network is unreachable (ENETUNREACH)";
    case kernel.ECONNRESET: return "connection broken off (ECONNRESET)";
    case kernel.ETIMEDOUT: return "timed out (ETIMEDOUT)";
    case 111: return "connection refused (ECONNREFUSED)";
    case 113: return "no route to host (EHOSTUNREACH)";
    case 117: return "structure needs cleaning (EUCLEAN)";
    case 126: return "required key not available (ENOKEY)";
    case 122: return "quota exceeded (EDQUOT)";
    case 127: return "key has expired (EKEYEXPIRED)";
    case 128: return "key was revoked (EKEYREVOKED)";
    case 129: return "key was rejected (EKEYREJECTED)";
    default: return "unexpected error";
  }
}

/** A shell for a person at the console, where the builder has put one into the first stage as /lazyrd/sh. */
import { exists } from "./files";
import * as kernel from "./kernel";
import { because, compose, ERROR, say } from "./report";
import { path } from "./text";

/** The console as the shell's terminal, so that Ctrl-C reaches what it runs (tty_ioctl(4)). */
const TIOCSCTTY: u32 = 0x540e;
const STANDARD_DESCRIPTORS: i32 = 3;
/** What a shell answers for a program that it cannot start (POSIX, 2.8.2). */
const CANNOT_START: i32 = 127;

export function hasShell(): bool {
  return exists(path("/lazyrd/sh"));
}

/** Opens a shell and comes back when the person leaves it. */
export function openShell(): void {
  compose().literal("a shell: what it changes is not checked; \"exit\" goes on");
  say(ERROR);
  const child = kernel.fork();
  if (child == 0) becomeShell();
  const result = child < 0 ? child : kernel.waitFor(child);
  if (result >= 0) return;
  because(compose().literal("cannot open a shell"), result);
  say(ERROR);
}

/** In the child: never comes back. */
function becomeShell(): void {
  kernel.setsid();
  const terminal = kernel.openat(kernel.AT_FDCWD, path("/dev/console"), kernel.O_RDWR, 0);
  if (terminal >= 0) {
    for (let i = 0; i < STANDARD_DESCRIPTORS; i++) kernel.dup2(terminal, i);
    kernel.ioctl(terminal, TIOCSCTTY, 0, 0);
  }
  kernel.execve(path("/lazyrd/sh"), 0);
  kernel.exit(CANNOT_START);
}

/** Waits for Enter on the console; false when nobody has come within this time. */
export function isAnybodyThere(timeoutMs: i32): bool {
  const console = kernel.openat(kernel.AT_FDCWD, path("/dev/console"), kernel.O_RDONLY | kernel.O_CLOEXEC | kernel.O_NOCTTY, 0);
  const answer = console < 0 ? console : kernel.waitReadable(console, timeoutMs);
  if (console >= 0) kernel.close(console);
  if (answer < 0) kernel.sleep(timeoutMs); // without a console nobody can come, and the time is still to be kept
  return answer > 0;
}

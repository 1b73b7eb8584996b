import { readSmallFile, writeFile } from "./files";
import * as kernel from "./kernel";
import { Step } from "./plan";
import { hasShell, isAnybodyThere, openShell } from "./shell";
import { compose, currentProblem, ERROR, say } from "./report";
import { Text, Writer, path } from "./text";

const DEFAULT_DELAY_MS: i32 = 30_000;

const setting = new Writer(16);
const previous = memory.data(16);

/** `failure reboot|poweroff|panic after=Ns`: what happens when a step fails. Without it: reboot after 30 seconds. */
let action: Text = new Text(0, 0);
let delayMs: i32 = DEFAULT_DELAY_MS;

export function readPolicy(steps: Step[]): void {
  for (let i = 0; i < steps.length; i++) {
    if (!steps[i].verb.equals("failure")) continue;
    action = steps[i].word(1);
    delayMs = steps[i].milliseconds("after", DEFAULT_DELAY_MS);
  }
}

/**
 * Has the kernel reboot after a panic as well: a panic is how dm-verity answers corruption after the first stage
 * has gone, and without this the machine would stand still. A `panic=` on the command line has precedence.
 */
export function armPanic(): void {
  if (action.equals("panic")) return;
  const length = readSmallFile(path("/proc/sys/kernel/panic"), previous, 16);
  if (length != 1 || load<u8>(previous) != 0x30) return;
  writeFile(path("/proc/sys/kernel/panic"), setting.reset().number(max(delayMs / 1000, 1)), 0);
}

/** Says what went wrong in `step` (null: before the first one) and does what the plan says. Does not return. */
export function fail(step: Step | null): void {
  const message = compose().literal("FAILED");
  if (step !== null) message.literal(" at plan line ").number(step.lineNumber).literal(" (").text(step.verb).literal(")");
  message.literal(": ").text(currentProblem());
  say(ERROR);
  kernel.sync();
  if (action.equals("panic")) {
    compose().literal("stopping, as the plan says");
    say(ERROR);
    return; // PID 1 ends, and with it the kernel
  }
  const powerOff = action.equals("poweroff");
  const plans = compose().literal(powerOff ? "powering off in " : "rebooting in ").number(delayMs / 1000).literal(" s");
  const mayIntervene = hasShell();
  if (mayIntervene) plans.literal("; Enter opens a shell");
  say(ERROR);
  if (!mayIntervene) kernel.sleep(delayMs);
  else if (isAnybodyThere(delayMs)) openShell();
  kernel.reboot(powerOff ? kernel.REBOOT_POWER_OFF : kernel.REBOOT_RESTART);
}

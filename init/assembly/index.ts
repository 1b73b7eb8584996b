/**
 * lazyrd's first stage: reads /lazyrd/plan and carries it out, line by line. Nothing is decided here that could
 * have been decided when the plan was made (docs/architecture.md).
 */
import { checkCandidates, nextCandidate, passBoundary } from "./candidates";
import { isBreakPoint, readCommandLine } from "./command-line";
import { armPanic, fail, readPolicy } from "./failure";
import { makeDirectory, readWholeFile } from "./files";
import * as kernel from "./kernel";
import { parsePlan, PLAN_HEADER, Step } from "./plan";
import { because, compose, ERROR, INFO, outcome, problem, say } from "./report";
import { hasShell, openShell } from "./shell";
import { checkStep } from "./steps/check";
import { coldplugStep } from "./steps/coldplug";
import { deviceStep } from "./steps/device";
import { fetchStep } from "./steps/fetch";
import { forwardStep } from "./steps/forward";
import { graftStep } from "./steps/graft";
import { loopStep } from "./steps/loop";
import { mapStep } from "./steps/map";
import { measureStep } from "./steps/measure";
import { modulesStep, tryModulesStep } from "./steps/modules";
import { mountStep } from "./steps/mount";
import { moveStep } from "./steps/move";
import { networkStep } from "./steps/network";
import { overlayStep } from "./steps/overlay";
import { signedStep } from "./steps/signed";
import { switchStep } from "./steps/switch";
import { unmountStep } from "./steps/unmount";
import { verityStep } from "./steps/verity";
import { path, Writer } from "./text";
import { noteStep, startTimeline, timelineStart } from "./timeline";

/** Runs the plan. Returning ends PID 1, which makes the kernel panic: only a plan that asks for it gets there. */
export function run(): void {
  startTimeline();
  mountApiFileSystems();
  readCommandLine();
  const source = readWholeFile(path("/lazyrd/plan"));
  if (source === null) {
    problem("cannot read /lazyrd/plan");
    return fail(null);
  }
  const steps = parsePlan(source);
  if (steps === null) {
    problem("/lazyrd/plan does not begin with \"").literal(PLAN_HEADER).literal("\": it was made for another first stage");
    return fail(null);
  }
  readPolicy(steps);
  armPanic();
  compose().literal("plan of ").number(steps.length).literal(" steps, read after ").milliseconds(kernel.clock() - timelineStart());
  say(INFO);
  if (!checkCandidates(steps)) return fail(null);
  for (let i = 0; i < steps.length; ) {
    const step = steps[i];
    if (step.verb.equals("candidate") || step.verb.equals("end")) {
      i = passBoundary(steps, i);
    } else if (step.verb.equals("failure") || isDone(step)) {
      i++; // the policy was read before the first step
    } else {
      i = nextCandidate(steps, i);
      if (i < 0) return fail(step);
    }
  }
  problem("the plan ends without a switch");
  fail(null);
}

/** Carries out a step, and says and notes that it is done, or else says nothing yet. */
function isDone(step: Step): bool {
  if (isBreakPoint(step)) breakBefore(step);
  const start = kernel.clock();
  outcome().reset();
  if (!carryOut(step)) return false;
  const end = kernel.clock();
  noteStep(step, start, end);
  compose().text(step.verb).literal(" ").text(outcome().toText()).literal(", ").milliseconds(end - start);
  say(INFO);
  return true;
}

function breakBefore(step: Step): void {
  const message = compose().literal("break before line ").number(step.lineNumber).literal(" (").text(step.source).literal(")");
  const canBreak = hasShell();
  if (!canBreak) message.literal(": the first stage has no shell, going on");
  say(ERROR);
  if (canBreak) openShell();
}

function carryOut(step: Step): bool {
  const verb = step.verb;
  if (verb.equals("modules")) return modulesStep(step);
  if (verb.equals("try-modules")) return tryModulesStep(step);
  if (verb.equals("coldplug")) return coldplugStep(step);
  if (verb.equals("device")) return deviceStep(step);
  if (verb.equals("loop")) return loopStep(step);
  if (verb.equals("map")) return mapStep(step);
  if (verb.equals("verity")) return verityStep(step);
  if (verb.equals("signed")) return signedStep(step);
  if (verb.equals("measure")) return measureStep(step);
  if (verb.equals("check")) return checkStep(step);
  if (verb.equals("mount")) return mountStep(step);
  if (verb.equals("move")) return moveStep(step);
  if (verb.equals("unmount")) return unmountStep(step);
  if (verb.equals("overlay")) return overlayStep(step);
  if (verb.equals("graft")) return graftStep(step);
  if (verb.equals("forward")) return forwardStep(step);
  if (verb.equals("switch")) return switchStep(step);
  if (NETWORK != 0 && verb.equals("network")) return networkStep(step);
  if (NETWORK != 0 && verb.equals("fetch")) return fetchStep(step);
  problem("unknown step");
  return false;
}

const fileSystem = new Writer(16);
const place = new Writer(16);

/** The kernel's own file systems. One that fails is reported; whether it matters shows in the step that needs it. */
function mountApiFileSystems(): void {
  const quiet = kernel.MS_NOSUID | kernel.MS_NOEXEC | kernel.MS_NODEV;
  mountApi("devtmpfs", "/dev", kernel.MS_NOSUID, "mode=0755");
  mountApi("proc", "/proc", quiet, "");
  mountApi("sysfs", "/sys", quiet, "");
  mountApi("tmpfs", "/run", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_STRICTATIME, "mode=0755");
}

function mountApi(type: string, target: string, flags: i32, options: string): void {
  makeDirectory(place.reset().literal(target).path(), 0o755);
  const result = kernel.mount(fileSystem.reset().literal(type).path(), place.path(), fileSystem.path(), flags, path(options));
  if (result >= 0) return;
  because(compose().literal("cannot mount ").literal(type).literal(" at ").literal(target), result);
  say(ERROR);
}

/** Where AssemblyScript's own checks end (`assert`, an index out of bounds): the program stops at once. */
export function onAbort(_message: usize, _file: usize, _line: i32, _column: i32): void {
  unreachable();
}

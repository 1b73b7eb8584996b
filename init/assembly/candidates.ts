import { wantedCandidate } from "./command-line";
import { Step } from "./plan";
import { because, compose, currentProblem, ERROR, INFO, problem, say } from "./report";
import { beginNoting, keepAll, undoAll } from "./undo";

/**
 * `candidate NAME` ... `candidate NAME` ... `end`: alternatives. The first one whose steps are all done is the one;
 * the boot goes on behind `end`.
 */

/** The line of the candidate that is being tried; null outside of alternatives. */
let current: Step | null = null;
/** The line that comes is the one after a candidate that failed: the choice has been made. */
let isNext: bool = false;

/** Whether the alternatives of a plan have the form that they must have; says what is wrong where not. */
export function checkCandidates(steps: Step[]): bool {
  let isInside = false;
  let count = 0;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i];
    const isEnd = step.verb.equals("end");
    if (!isEnd && !step.verb.equals("candidate")) {
      if (isInside && !canBeTakenBack(step)) return refuse(step, "cannot be taken back, so it must not stand in a candidate");
      count++;
      continue;
    }
    if (isEnd && !isInside) return refuse(step, "ends no candidate");
    if (!isEnd && step.word(1).length == 0) return refuse(step, "names no candidate");
    if (isInside && count == 0) return refuse(step, "comes before any step of the candidate");
    isInside = !isEnd;
    count = 0;
  }
  if (isInside) problem("the plan's candidates have no end");
  return !isInside;
}

/** Files that were copied stay, and a root that was left is left. */
function canBeTakenBack(step: Step): bool {
  const verb = step.verb;
  return !verb.equals("failure") && !verb.equals("graft") && !verb.equals("forward") && !verb.equals("switch");
}

function refuse(step: Step, why: string): bool {
  problem("line ").number(step.lineNumber).literal(" of the plan (").text(step.verb).literal(") ").literal(why);
  return false;
}

/**
 * Carries out the line `candidate` or `end` at `index`: the index of the step to go on with.
 *
 * Behind a candidate that went through, the next one's line means the end just as `end` does.
 */
export function passBoundary(steps: Step[], index: i32): i32 {
  const done = current;
  if (done !== null) {
    compose().literal("candidate ").text(done.word(1)).literal(" it is");
    say(INFO);
    current = null;
    keepAll();
    return endOf(steps, index) + 1;
  }
  const first = isNext ? index : wantedFrom(steps, index);
  isNext = false;
  current = steps[first];
  beginNoting();
  return first + 1;
}

/** The line of the candidate that a person asked for, of those that begin at `index`; `index` where it is none of them. */
function wantedFrom(steps: Step[], index: i32): i32 {
  for (let i = index; !steps[i].verb.equals("end"); i++) {
    if (steps[i].verb.equals("candidate") && steps[i].word(1).same(wantedCandidate)) return i;
  }
  return index;
}

/**
 * After the step at `index` has failed: takes back what its candidate made and says why it is passed over. The index
 * of the next candidate's line, or -1 when there is none, and the failure is one of the plan.
 */
export function nextCandidate(steps: Step[], index: i32): i32 {
  const failed = current;
  if (failed === null) return -1;
  let next = index;
  while (!steps[next].verb.equals("candidate")) if (steps[next++].verb.equals("end")) return -1;
  const step = steps[index];
  compose().literal("candidate ").text(failed.word(1)).literal(" failed at plan line ").number(step.lineNumber)
    .literal(" (").text(step.verb).literal("): ").text(currentProblem()).literal("; trying ").text(steps[next].word(1));
  say(ERROR);
  const undone = undoAll();
  if (undone < 0) {
    because(compose().literal("cannot take back all that candidate ").text(failed.word(1)).literal(" made"), undone);
    say(ERROR);
  }
  current = null;
  isNext = true;
  return next;
}

function endOf(steps: Step[], index: i32): i32 {
  while (!steps[index].verb.equals("end")) index++;
  return index;
}

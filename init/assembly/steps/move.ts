import { makeDirectory } from "../files";
import { moveMount } from "../mounts";
import { Step } from "../plan";
import { because, outcome, problem } from "../report";
import { PATH_MAX, Writer } from "../text";

const target = new Writer(PATH_MAX);

/** `move SOURCE TARGET`: takes what is mounted at SOURCE to TARGET, with all that is mounted below. */
export function moveStep(step: Step): bool {
  const from = step.word(1);
  const to = step.word(2);
  let result = makeDirectory(target.reset().text(to).path(), 0o755);
  if (result < 0) return because(problem("cannot make the mount point ").text(to), result);
  result = moveMount(from, to);
  if (result < 0) return because(problem("cannot move ").text(from).literal(" to ").text(to), result);
  outcome().text(from).literal(" to ").text(to);
  return true;
}

import { detachMount } from "../mounts";
import { Step } from "../plan";
import { because, outcome, problem } from "../report";

/** `unmount TARGET`: takes a file system out of the tree; it goes when nothing uses it any more. */
export function unmountStep(step: Step): bool {
  const place = step.word(1);
  const result = detachMount(place);
  if (result < 0) return because(problem("cannot unmount ").text(place), result);
  outcome().text(place);
  return true;
}

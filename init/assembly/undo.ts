import { Text } from "./text";

/** Something that a step of a candidate made, and how it is taken back. */
export abstract class Made {
  readonly what: Text;
  /** A step has taken it back itself. */
  isGone: bool = false;

  /** @param what its bytes are copied */
  constructor(what: Text) {
    this.what = what.copy();
  }

  /** 0 or -errno. */
  abstract takeBack(): i32;
}

const made: Made[] = [];
let isNoting = false;

/** From now on, what steps make is noted, to be taken back if the candidate comes to nothing. */
export function beginNoting(): void {
  isNoting = true;
}

/** What was made stays. */
export function keepAll(): void {
  made.length = 0;
  isNoting = false;
}

/** Outside of candidates nothing is ever taken back. */
export function noteMade(thing: Made): void {
  if (isNoting) made.push(thing);
}

/** Notes that a step has itself taken back the latest thing of this name. */
export function forgetMade(what: Text): void {
  for (let i = made.length - 1; i >= 0; i--) {
    if (made[i].isGone || !made[i].what.same(what)) continue;
    made[i].isGone = true;
    return;
  }
}

/** Takes back all that was made, the latest first; 0, or -errno of something that stays. */
export function undoAll(): i32 {
  let result = 0;
  while (made.length > 0) {
    const last = made.pop();
    if (!last.isGone) result = min(result, last.takeBack());
  }
  isNoting = false;
  return result;
}

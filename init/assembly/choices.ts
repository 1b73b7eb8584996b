import { Text } from "./text";
import { Made, noteMade } from "./undo";

/** Something that was settled at run time, for `measure`: under the name that the plan gives it, in words. */
@final
class Choice {
  constructor(
    readonly name: Text,
    readonly value: Text,
  ) {}
}

const choices: Choice[] = [];

/** Notes a choice; the bytes of `value` are copied. */
export function noteChoice(name: Text, value: Text): void {
  choices.push(new Choice(name, value.copy()));
  noteMade(new MadeChoice(name));
}

@final
class MadeChoice extends Made {
  override takeBack(): i32 {
    choices.pop(); // what was made last is taken back first
    return 0;
  }
}

export function findChoice(name: Text): Text | null {
  for (let i = choices.length - 1; i >= 0; i--) if (choices[i].name.same(name)) return choices[i].value;
  return null;
}

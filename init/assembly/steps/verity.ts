import { Device, findDevice } from "../devices";
import { Step } from "../plan";
import { problem } from "../report";
import { Text } from "../text";
import { openImage, VerityImage } from "../verity-device";

/**
 * `verity NAME data=DEVICE hash=DEVICE data-blocks=N root-hash=HEX salt=HEX hash-start=N on-corruption=ACTION`:
 * opens the image with this root hash. `read-ahead=KIB` sets how much the kernel reads around what is asked for.
 */
export function verityStep(step: Step): bool {
  const data = deviceOption(step, "data");
  const hash = deviceOption(step, "hash");
  const rootHash = step.option("root-hash");
  const salt = step.option("salt");
  const blocks = numberOption(step, "data-blocks");
  const hashStart = numberOption(step, "hash-start");
  if (data === null || hash === null || rootHash === null || salt === null || blocks <= 0 || hashStart < 0) {
    problem("the plan's line lacks an option, or names a device that no step before it found");
    return false;
  }
  const unsigned = new Text(0, 0);
  const image = new VerityImage(step.word(1), data.node, hash.node, blocks, hashStart, rootHash, salt, unsigned);
  return openImage(image, step) !== null;
}

function deviceOption(step: Step, key: string): Device | null {
  const name = step.option(key);
  return name === null ? null : findDevice(name);
}

function numberOption(step: Step, key: string): i64 {
  const value = step.option(key);
  return value === null ? -1 : value.toNumber();
}

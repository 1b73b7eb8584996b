import { Text } from "./text";
import { Made, noteMade } from "./undo";

/** A block device that a step found or made, under the name that the plan gives it. */
@final
export class Device {
  constructor(
    readonly name: Text,
    /** Its node, for instance "/dev/vda1". */
    readonly node: Text,
  ) {}
}

const known: Device[] = [];

/** Remembers a device; the bytes of `node` are copied. */
export function addDevice(name: Text, node: Text): Device {
  const device = new Device(name, node.copy());
  known.push(device);
  noteMade(new MadeName(name));
  return device;
}

@final
class MadeName extends Made {
  override takeBack(): i32 {
    known.pop(); // what was made last is taken back first
    return 0;
  }
}

export function findDevice(name: Text): Device | null {
  for (let i = 0; i < known.length; i++) if (known[i].name.same(name)) return known[i];
  return null;
}

import { Text } from "./text";

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
  const copy = heap.alloc(node.length);
  memory.copy(copy, node.start, node.length);
  const device = new Device(name, new Text(copy, node.length));
  known.push(device);
  return device;
}

export function findDevice(name: Text): Device | null {
  for (let i = 0; i < known.length; i++) if (known[i].name.same(name)) return known[i];
  return null;
}

/** Bit numbers in a partition's `attributes`: UEFI 2.10, table 5.7, and the Discoverable Partitions Specification. */
export const ATTRIBUTE_BITS = {
  /** The platform needs the partition: firmware and tools must not delete it. */
  required: 0,
  /** Firmware makes no block device of it. */
  "no-block-io": 1,
  "legacy-bios-bootable": 2,
  /** Grow the file system to the size of the partition when it is mounted. */
  "grow-file-system": 59,
  "read-only": 60,
  /** Not mounted by automatic discovery. */
  "no-auto": 63,
} as const;
export type AttributeName = keyof typeof ATTRIBUTE_BITS;

/** The value of `attributes` with the named bits set. */
export function attributesOf(...names: readonly AttributeName[]): bigint {
  return names.reduce((value, name) => value | (1n << BigInt(ATTRIBUTE_BITS[name])), 0n);
}

/** Whether the named bit is set. */
export function hasAttribute(attributes: bigint, name: AttributeName): boolean {
  return (attributes & attributesOf(name)) !== 0n;
}

/** The names of the bits that are set, lowest first; `bit-N` for those without a name. */
export function attributeNames(attributes: bigint): string[] {
  const names = new Map<number, string>(Object.entries(ATTRIBUTE_BITS).map(([name, bit]) => [bit, name]));
  const set: string[] = [];
  for (let bit = 0, rest = attributes; rest !== 0n; bit++, rest >>= 1n) {
    if ((rest & 1n) !== 0n) set.push(names.get(bit) ?? `bit-${bit}`);
  }
  return set;
}

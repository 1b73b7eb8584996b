import { GUID_TEXT_SIZE, parseGuid, PartitionTable } from "./gpt";
import { Step } from "./plan";
import { Superblock } from "./superblocks";
import { hexDigit, Text, Writer } from "./text";

export const BY_PARTITION: i32 = 1;
export const BY_SUPERBLOCK: i32 = 2;
export const BY_NODE: i32 = 3;

const UUID_SIZE: i32 = 16;
const UUID_TEXT_SIZE: i32 = 36;
const FAT_UUID_TEXT_SIZE: i32 = 9;
const COMMA: u8 = 0x2c;
const MINUS: u8 = 0x2d;
const BACKSLASH: u8 = 0x5c;
const LONGEST_LABEL: i32 = 256;

const PARTITION_KEYS: StaticArray<string> = ["partuuid", "parttype", "partlabel"];
const SUPERBLOCK_KEYS: StaticArray<string> = ["uuid", "label"];

const label = new Writer(LONGEST_LABEL);

/** By what a step looks for a device: one of its options. */
@final
export class DeviceKey {
  private readonly binary: usize = heap.alloc(UUID_SIZE);
  private name: string = "";
  private text: Text = new Text(0, 0);
  /** BY_PARTITION and so on; 0 when the step has no key that is one. */
  kind: i32 = 0;
  /** As it stands in the plan. */
  value: Text = new Text(0, 0);

  /** Takes the first key that the step has; whether its value has the form that it must have. */
  read(step: Step): bool {
    this.kind = 0;
    if (this.take(step, PARTITION_KEYS)) {
      this.kind = BY_PARTITION;
      if (this.name == "partuuid") return this.readGuids(null);
      return this.name == "partlabel" ? this.readLabel() : parseGuid(this.value, this.binary);
    }
    if (this.take(step, SUPERBLOCK_KEYS)) {
      this.kind = BY_SUPERBLOCK;
      return this.name == "label" ? this.readLabel() : this.readUuid();
    }
    const node = step.option("node");
    if (node === null || node.length == 0) return false;
    this.name = "node";
    this.kind = BY_NODE;
    this.value = node;
    return true;
  }

  isPartition(table: PartitionTable): bool {
    if (this.name == "partuuid") return this.readGuids(table);
    if (this.name == "parttype") return table.hasType(this.binary);
    return this.text.length > 0 && table.hasLabel(this.text);
  }

  isSuperblock(superblock: Superblock): bool {
    if (this.name == "label") return this.text.length > 0 && superblock.label.same(this.text);
    return superblock.uuid != 0 && memory.compare(superblock.uuid, this.binary, UUID_SIZE) == 0;
  }

  /** "partition with PARTUUID 1234": what was not found. */
  describe(output: Writer): Writer {
    if (this.kind == BY_NODE) return output.literal("device ").text(this.value);
    output.literal(this.kind == BY_PARTITION ? "partition with " : "file system with ");
    for (let i = 0; i < this.name.length; i++) output.byte(<u8>this.name.charCodeAt(i) & ~0x20);
    return output.literal(" ").text(this.value);
  }

  private take(step: Step, keys: StaticArray<string>): bool {
    for (let i = 0; i < keys.length; i++) {
      const value = step.option(keys[i]);
      if (value === null) continue;
      this.name = keys[i];
      this.value = value;
      return true;
    }
    return false;
  }

  /** Whether all of the GUIDs, with commas in between, have their form; with a table, whether its partition has one of them. */
  private readGuids(table: PartitionTable | null): bool {
    const value = this.value;
    for (let at = 0; at <= value.length; at += GUID_TEXT_SIZE + 1) {
      if (at > 0 && value.at(at - 1) != COMMA) return false;
      if (!parseGuid(value.slice(at, min(at + GUID_TEXT_SIZE, value.length)), this.binary)) return false;
      if (table !== null && table.hasGuid(this.binary)) return true;
    }
    return table === null;
  }

  /** A label's bytes, of which those that a plan cannot hold stand there as \x20, as udev writes them. */
  private readLabel(): bool {
    label.reset();
    const value = this.value;
    for (let i = 0; i < value.length; i++) {
      const high = value.at(i) == BACKSLASH ? hexDigit(value.at(i + 2)) : -1;
      const low = high >= 0 ? hexDigit(value.at(i + 3)) : -1;
      if (low < 0) {
        label.byte(value.at(i));
        continue;
      }
      label.byte(<u8>((high << 4) | low));
      i += 3;
    }
    this.text = label.toText();
    return !label.overflowed && label.length > 0;
  }

  /** Of FAT, "1A2B-3C4D": a little-endian number. Of all others 16 bytes in the order of the text. */
  private readUuid(): bool {
    const value = this.value;
    const isFat = value.length == FAT_UUID_TEXT_SIZE;
    if (!isFat && value.length != UUID_TEXT_SIZE) return false;
    memory.fill(this.binary, 0, UUID_SIZE);
    let digits = 0;
    for (let i = 0; i < value.length; i++) {
      if (value.at(i) == MINUS) continue;
      const digit = hexDigit(value.at(i));
      if (digit < 0 || digits == 2 * UUID_SIZE) return false;
      const place = this.binary + (isFat ? 3 - (digits >> 1) : digits >> 1);
      store<u8>(place, (load<u8>(place) << 4) | <u8>digit);
      digits++;
    }
    return digits == (isFat ? 8 : 2 * UUID_SIZE);
  }
}

import { DirectoryReader, exists, readSmallFile } from "../files";
import * as kernel from "../kernel";
import { hexDigit, PATH_MAX, Text, Writer, path } from "../text";
import { Scanner } from "./scanner";

/** IFNAMSIZ, its NUL included. */
const NAME_SIZE: i32 = 16;
export const MAC_SIZE: i32 = 6;
const MAC_TEXT_SIZE: i32 = 17;
const ARPHRD_ETHER: i64 = 1;
/** Of a switch with all its ports no more are tried. */
const MOST_INTERFACES: i32 = 16;

/** A wired network interface. */
@final
export class Interface {
  readonly mac: usize = heap.alloc(MAC_SIZE);
  private readonly nameBytes: usize = heap.alloc(NAME_SIZE);
  private nameLength: i32 = 0;
  index: i32 = 0;
  /** What carries the addresses: the interface itself, or that of a VLAN on it; 0: not known yet. */
  addressed: i32 = 0;
  /** This was asked of the kernel. */
  isUp: bool = false;
  /** Somebody else had it up before: it is theirs to take down. */
  wasUp: bool = false;
  /** Why it is of no use so far. */
  report: string = "";

  set name(text: Text) {
    this.nameLength = min(text.length, NAME_SIZE - 1);
    memory.copy(this.nameBytes, text.start, this.nameLength);
  }

  writeName(writer: Writer): Writer {
    return writer.bytes(this.nameBytes, this.nameLength);
  }

  get hasCarrier(): bool {
    return this.setting("carrier") == 1;
  }

  /** A number in the interface's folder in sysfs, or -1. */
  setting(name: string): i64 {
    return numberIn(this.writeName(file.reset().literal(FOLDER)).literal("/").literal(name));
  }
}

const FOLDER: string = "/sys/class/net/";

const reader = new DirectoryReader();
const file = new Writer(PATH_MAX);
const content = memory.data(64);
const scanner = new Scanner();
export const interfaces: Interface[] = [];

/** Adds those that have come since the last look. `wanted` is a name or a MAC address; null: any. */
export function findInterfaces(wanted: Text | null): void {
  if (reader.open(kernel.AT_FDCWD, path(FOLDER)) < 0) return;
  while (reader.next()) {
    file.reset().literal(FOLDER).bytes(reader.name, reader.nameLength);
    const base = file.length;
    const index = <i32>numberIn(file.literal("/ifindex"));
    if (index <= 0 || isKnown(index) || interfaces.length == MOST_INTERFACES) continue;
    // Bridges, bonds and VLANs have no device; of wireless ones there is a folder; a port of something larger has a master.
    if (numberIn(file.truncate(base).literal("/type")) != ARPHRD_ETHER) continue;
    if (!exists(file.truncate(base).literal("/device").path())) continue;
    if (exists(file.truncate(base).literal("/phy80211").path()) || exists(file.truncate(base).literal("/master").path())) continue;
    if (readSmallFile(file.truncate(base).literal("/address").path(), content, MAC_TEXT_SIZE) != MAC_TEXT_SIZE) continue;
    if (wanted !== null && !isWanted(wanted)) continue;
    add(index);
  }
}

function add(index: i32): void {
  const found = new Interface();
  found.name = new Text(reader.name, reader.nameLength);
  found.index = index;
  for (let i = 0; i < MAC_SIZE; i++) {
    const digits = content + 3 * i;
    store<u8>(found.mac + i, <u8>((hexDigit(load<u8>(digits)) << 4) | hexDigit(load<u8>(digits, 1))));
  }
  interfaces.push(found);
}

function isKnown(index: i32): bool {
  for (let i = 0; i < interfaces.length; i++) if (interfaces[i].index == index) return true;
  return false;
}

/** By its name, or by its address, which is in `content`, in whatever case the plan has it. */
function isWanted(wanted: Text): bool {
  if (wanted.length == reader.nameLength && memory.compare(wanted.start, reader.name, wanted.length) == 0) return true;
  if (wanted.length != MAC_TEXT_SIZE) return false;
  for (let i = 0; i < MAC_TEXT_SIZE; i++) if ((wanted.at(i) | 0x20) != (load<u8>(content + i) | 0x20)) return false;
  return true;
}

/** The number in a file of one line, or -1. */
export function numberIn(path: Writer): i64 {
  const length = readSmallFile(path.path(), content, 64);
  return length <= 0 ? -1 : scanner.over(content, length).number();
}

import { readSmallFile } from "../files";
import { compose, INFO, say } from "../report";
import { path, Text } from "../text";
import { prefixOf, scanAddress } from "./address";
import { prefixOfClass } from "./dhcp";
import { Scanner } from "./scanner";
import { settings } from "./settings";

const SPACE: u8 = 0x20;
const LINE_FEED: u8 = 0x0a;
const COLON: u8 = 0x3a;
/** The longest command line of any architecture that Linux knows (COMMAND_LINE_SIZE). */
const CAPACITY: i32 = 4096;

/** What the plan or the command line asks for. */
@final
export class Wish {
  /** A name or a MAC address; null: any interface. */
  device: Text | null = null;
  isStatic: bool = false;
}

const commandLine = memory.data(CAPACITY);
const word = new Scanner();
const value = new Scanner();
const field = new Scanner();

/**
 * Takes over what the last `ip=` of the command line says, in the kernel's own form (its
 * Documentation/admin-guide/nfs/nfsroot.rst). One of another form belongs to the next stage, and is left to it.
 */
export function readIpOption(wish: Wish): void {
  word.over(commandLine, max(readSmallFile(path("/proc/cmdline"), commandLine, CAPACITY), 0));
  while (word.length > 0) {
    if (word.skip(SPACE) || word.skip(LINE_FEED)) continue;
    value.position = word.position;
    value.end = word.end;
    value.end = min(value.find(SPACE), value.find(LINE_FEED));
    word.position = value.end;
    if (value.length == 2 && value.word("--")) return; // what follows is for init
    if (value.word("ip=") && !take(wish)) {
      compose().literal("network: the next stage is to read this ip=: it is not in the kernel's form");
      say(INFO);
    }
  }
}

/** `ip=CLIENT:SERVER:GATEWAY:NETMASK:HOSTNAME:DEVICE:AUTOCONF:DNS0:DNS1`, all of it optional, or `ip=AUTOCONF`. */
function take(wish: Wish): bool {
  const whole = value.position;
  if (isAutomatic(value) && value.length == 0) {
    wish.isStatic = false;
    return true;
  }
  if (isOff(value) && value.length == 0) return true; // no address: the plan's own wish stands
  value.position = whole;
  const client = addressField();
  addressField(); // the server is that of an NFS root
  const gateway = addressField();
  const mask = addressField();
  nextField(); // host name
  nextField();
  const device = new Text(field.position, field.length);
  nextField();
  const isStatic = client > 0 && !isAutomatic(field);
  const prefix = mask > 0 ? prefixOf(<u32>mask) : prefixOfClass(<u32>client);
  const isSound = field.length == 0 || isOff(field) || !isStatic;
  if (client < 0 || gateway < 0 || mask < 0 || prefix < 0 || !isSound) return false;
  wish.device = device.length == 0 ? null : device;
  wish.isStatic = isStatic;
  if (!isStatic) return true;
  settings.address = <u32>client;
  settings.prefix = prefix;
  settings.gateway = <u32>gateway;
  settings.nameServerCount = 0;
  for (let i = 0; i < 2; i++) settings.addNameServer(<u32>max<i64>(addressField(), 0));
  return true;
}

function isAutomatic(text: Scanner): bool {
  return text.word("dhcp") || text.word("on") || text.word("any") || text.word("both");
}

function isOff(text: Scanner): bool {
  return text.word("off") || text.word("none");
}

/** Goes to the next field of the value. */
function nextField(): void {
  field.position = value.position;
  field.end = value.find(COLON);
  value.position = field.end;
  value.skip(COLON);
}

/** The address in the next field, 0 when it is empty, -1 when it holds something else. */
function addressField(): i64 {
  nextField();
  if (field.length == 0) return 0;
  const address = scanAddress(field);
  return field.length == 0 ? address : -1;
}

import { guidFromEfi, hex } from "../../bytes/index.ts";
import { EVENT_TYPES, SPEC_ID_SIGNATURE, STARTUP_LOCALITY, TaggedEvent, VariableData } from "./layout.ts";
import type { LogEvent } from "./read.ts";

const TYPE_NAMES = new Map<number, string>(Object.entries(EVENT_TYPES).map(([name, type]) => [type, name]));

/** What people are shown of an event's data. */
const MAX_SHOWN_CHARACTERS = 100;

/** The specification's name of a type, or its number. */
export function eventTypeName(type: number): string {
  return TYPE_NAMES.get(type) ?? hex(type);
}

/** What an event is about, in words, as far as its data says so: that is a hint, only the digest was measured. */
export function describeEvent({ type, data }: Pick<LogEvent, "type" | "data">): string {
  switch (type) {
    case EVENT_TYPES.EV_NO_ACTION:
      return describeNoAction(data);
    case EVENT_TYPES.EV_SEPARATOR:
      return "the firmware's own measurements end";
    case EVENT_TYPES.EV_EFI_ACTION:
    case EVENT_TYPES.EV_ACTION:
      return shown(Buffer.from(data).toString("latin1"));
    case EVENT_TYPES.EV_IPL:
      return textOf(data);
    case EVENT_TYPES.EV_EVENT_TAG:
      return describeTagged(data);
    case EVENT_TYPES.EV_EFI_VARIABLE_DRIVER_CONFIG:
    case EVENT_TYPES.EV_EFI_VARIABLE_BOOT:
    case EVENT_TYPES.EV_EFI_VARIABLE_BOOT2:
    case EVENT_TYPES.EV_EFI_VARIABLE_AUTHORITY:
      return describeVariable(data);
    case EVENT_TYPES.EV_EFI_BOOT_SERVICES_APPLICATION:
    case EVENT_TYPES.EV_EFI_BOOT_SERVICES_DRIVER:
    case EVENT_TYPES.EV_EFI_RUNTIME_SERVICES_DRIVER:
      return describeImage(data);
    default:
      return `${data.length} bytes`;
  }
}

function describeNoAction(data: Uint8Array): string {
  const name = Buffer.from(data).toString("latin1").split("\0", 1)[0] ?? "";
  if (name === STARTUP_LOCALITY) return `the TPM was started from locality ${data[name.length + 1] ?? "unknown"}`;
  return name === SPEC_ID_SIGNATURE ? "the log's algorithms" : shown(name);
}

function describeTagged(data: Uint8Array): string {
  if (data.length < TaggedEvent.size) return `${data.length} bytes`;
  const { TaggedEventId, TaggedEventDataSize } = TaggedEvent.parse(data);
  return `tag ${hex(TaggedEventId)}, ${textOf(data.subarray(TaggedEvent.size, TaggedEvent.size + TaggedEventDataSize))}`;
}

function describeVariable(data: Uint8Array): string {
  if (data.length < VariableData.size) return `${data.length} bytes`;
  const { VariableName, UnicodeNameLength, VariableDataLength } = VariableData.parse(data);
  const name = Buffer.from(data.subarray(VariableData.size, VariableData.size + 2 * UnicodeNameLength)).toString(
    "utf16le",
  );
  return `variable ${shown(name)} of ${guidFromEfi(VariableName)}, ${VariableDataLength} bytes`;
}

/** UEFI_IMAGE_LOAD_EVENT: address, length, link-time address and the length of the path (u64 each), then the path. */
const DEVICE_PATH_OFFSET = 32;
const NODE_HEADER_BYTES = 4;
/** Media Device Path, File Path (UEFI 2.10, 10.3.5.4) */
const FILE_PATH = { type: 4, subType: 4 } as const;
const END_OF_PATH = 0x7f;

/** The file that the program was loaded from, where its device path names one. */
function describeImage(data: Uint8Array): string {
  const files: string[] = [];
  let at = DEVICE_PATH_OFFSET;
  while (at + NODE_HEADER_BYTES <= data.length && data[at] !== END_OF_PATH) {
    const length = (data[at + 2] ?? 0) | ((data[at + 3] ?? 0) << 8);
    if (length < NODE_HEADER_BYTES || at + length > data.length) break;
    if (data[at] === FILE_PATH.type && data[at + 1] === FILE_PATH.subType) {
      files.push(textOf(data.subarray(at + NODE_HEADER_BYTES, at + length)));
    }
    at += length;
  }
  return files.length === 0 ? "a program in memory" : `the program ${files.join("")}`;
}

/** Text as loaders leave it, in UTF-16 or in bytes, with or without a NUL at its end. */
function textOf(data: Uint8Array): string {
  const isWide = data.length >= 2 && data.length % 2 === 0 && data[1] === 0;
  return shown(Buffer.from(data).toString(isWide ? "utf16le" : "utf8"));
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a terminal must not get
const CONTROL_CHARACTERS = /[\0-\x1f\x7f-\x9f]/g;

function shown(text: string): string {
  const clean = text.replace(/\0+$/, "").replaceAll(CONTROL_CHARACTERS, "?");
  return clean.length <= MAX_SHOWN_CHARACTERS ? clean : `${clean.slice(0, MAX_SHOWN_CHARACTERS)}...`;
}

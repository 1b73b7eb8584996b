import { UsageError } from "../../bytes/index.ts";
import { partitionTypeGuid } from "../../formats/gpt/index.ts";

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Of FAT. */
const SHORT_UUID = /^[0-9a-f]{4}-[0-9a-f]{4}$/i;
/** GPT has room for 36 characters; the first stage knows no others than ASCII's. */
const PARTITION_LABEL = /^[ -~]{1,36}$/;
const HINT = 'write "UUID=…", "LABEL=…", "PARTUUID=…", "PARTLABEL=…" or "PARTTYPE=esp"';

/**
 * The option of the plan's step `device` for a device as fstab(5) names it, or by its GPT type.
 * @throws UsageError when it is named otherwise.
 */
export function deviceOption(device: string): string {
  const [, key = "", value = ""] = /^([A-Z]+)=(.*)$/s.exec(device) ?? [];
  const option = OPTIONS[key]?.(value);
  if (option !== undefined) return option;
  throw new UsageError(`Cannot use [location] device = ${JSON.stringify(device)}`, { hint: HINT });
}

const OPTIONS: Readonly<Record<string, (value: string) => string | undefined>> = {
  UUID: (value) => (GUID.test(value) || SHORT_UUID.test(value) ? `uuid=${value}` : undefined),
  LABEL: (value) => (value === "" ? undefined : `label=${escaped(value)}`),
  PARTUUID: (value) => (GUID.test(value) ? `partuuid=${value}` : undefined),
  PARTLABEL: (value) => (PARTITION_LABEL.test(value) ? `partlabel=${escaped(value)}` : undefined),
  PARTTYPE: (value) => `parttype=${GUID.test(value) ? value : partitionTypeGuid(value)}`,
};

/** As udev writes what stands in no file name: a plan has no blanks inside of a word. */
function escaped(label: string): string {
  const bytes = [...Buffer.from(label, "utf8")];
  const isPlain = (byte: number): boolean => byte > 0x20 && byte < 0x7f && byte !== 0x5c;
  return bytes.map((byte) => (isPlain(byte) ? String.fromCharCode(byte) : hexEscape(byte))).join("");
}

function hexEscape(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}

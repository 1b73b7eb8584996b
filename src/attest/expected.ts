import { type Bank, digestIn, EVENT_TYPES, extend, initialPcr } from "../formats/tpm/index.ts";

/** The bank that predictions are for: every TPM 2.0 of a PC has it, and systemd prefers it. */
export const BANK: Bank = "sha256";

/** Something that a boot is known to measure. */
export interface ExpectedEvent {
  readonly pcr: number;
  /** As the log names it (EVENT_TYPES). */
  readonly type: number;
  readonly digest: Uint8Array;
  /** In words, for people. */
  readonly what: string;
}

/** An event whose digest is that of `content`. */
export function measured(pcr: number, type: number, content: Uint8Array, what: string): ExpectedEvent {
  return { pcr, type, digest: digestIn(BANK, content), what };
}

/** What a PCR is after these events, and no others. */
export function valueAfter(events: readonly Pick<ExpectedEvent, "digest">[], pcr: number): Uint8Array {
  let value = initialPcr(BANK, pcr);
  for (const { digest } of events) value = extend(BANK, value, digest);
  return value;
}

/** The end of the firmware's own measurements in a PCR: four NULs. */
export function separator(pcr: number): ExpectedEvent {
  return measured(pcr, EVENT_TYPES.EV_SEPARATOR, new Uint8Array(4), "separator");
}

/** Text as EFI programs measure it: UTF-16 with its NUL. */
export function wideText(text: string): Uint8Array {
  return Buffer.from(`${text}\0`, "utf16le");
}

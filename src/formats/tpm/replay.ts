import { createHash } from "node:crypto";
import { BANKS, type Bank, DYNAMIC_PCRS, EVENT_TYPES, STARTUP_LOCALITY } from "./layout.ts";
import type { LogEvent } from "./read.ts";

/** What extends a PCR, as far as its value is concerned. */
export type Extension = Pick<LogEvent, "pcr" | "type" | "digests" | "data">;

/** The digest of a bank. */
export function digestIn(bank: Bank, ...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash(bank);
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** What a PCR is after an extension (TPM 2.0 Library, part 1, 17.4): H(old value || digest). */
export function extend(bank: Bank, value: Uint8Array, digest: Uint8Array): Uint8Array {
  return digestIn(bank, value, digest);
}

/** What a PCR is when the machine has been switched on. */
export function initialPcr(bank: Bank, pcr: number, startupLocality = 0): Uint8Array {
  const value = new Uint8Array(BANKS[bank].digestBytes);
  if (pcr >= DYNAMIC_PCRS.first && pcr <= DYNAMIC_PCRS.last) value.fill(0xff);
  if (pcr === 0) value[value.length - 1] = startupLocality;
  return value;
}

/** Whether an event extended its PCR with a digest of this bank. */
export function extendsBank(event: Extension, bank: Bank): boolean {
  return event.type !== EVENT_TYPES.EV_NO_ACTION && event.digests.has(bank);
}

/** The values of the PCRs after the events of a log: of those that any event extended, in order of their numbers. */
export function replayEvents(events: readonly Extension[], bank: Bank): Map<number, Uint8Array> {
  const values = new Map<number, Uint8Array>();
  const locality = startupLocality(events);
  for (const event of events) {
    const digest = event.digests.get(bank);
    if (digest === undefined || !extendsBank(event, bank)) continue;
    const before = values.get(event.pcr) ?? initialPcr(bank, event.pcr, locality);
    values.set(event.pcr, extend(bank, before, digest));
  }
  return new Map([...values].sort(([a], [b]) => a - b));
}

const LOCALITY_OFFSET = STARTUP_LOCALITY.length + 1;

/** From where the TPM was started: PCR 0 begins with this number (TCG PFP 1.05, 10.4.5.3). */
function startupLocality(events: readonly Extension[]): number {
  const said = events.find(
    ({ type, data }) =>
      type === EVENT_TYPES.EV_NO_ACTION &&
      data.length > LOCALITY_OFFSET &&
      Buffer.from(data.subarray(0, LOCALITY_OFFSET)).toString("latin1") === `${STARTUP_LOCALITY}\0`,
  );
  return said?.data[LOCALITY_OFFSET] ?? 0;
}

import { hex, toHex } from "../bytes/index.ts";
import { describeEvent, EVENT_TYPES, eventTypeName, extendsBank, type LogEvent } from "../formats/tpm/index.ts";
import { BANK, type ExpectedEvent } from "./expected.ts";
import type { PcrPrediction } from "./predict.ts";

/** An event of a log, and which log that is. */
export interface LoggedEvent extends LogEvent {
  /** Empty where there is only one log. */
  readonly log: string;
  /** Counted from 1, in its log. */
  readonly number: number;
}

/**
 * Compares what a log says of a PCR with what was predicted, event by event; the phases of a boot may end anywhere.
 * @returns the first difference, in words; undefined when there is none
 */
export function firstDifference(prediction: PcrPrediction, log: readonly LoggedEvent[]): string | undefined {
  const longest = prediction.values.map(({ events }) => events).reduce((a, b) => (b.length > a.length ? b : a), []);
  const expected = [...prediction.events, ...longest].filter(isComparable);
  const required = prediction.events.filter(isComparable).length;
  const logged = log.filter((event) => event.pcr === prediction.pcr && extendsBank(event, BANK) && isComparable(event));
  for (const [index, event] of logged.entries()) {
    const wanted = expected[index];
    const difference =
      wanted === undefined ? `nothing more was expected, got ${describe(event)}` : differs(wanted, event);
    if (difference !== undefined) return `PCR ${prediction.pcr}, ${place(event)}: ${difference}`;
  }
  const missing = logged.length < required ? expected[logged.length] : undefined;
  return (
    missing && `PCR ${prediction.pcr}: the log ends where ${missing.what} was expected, digest ${toHex(missing.digest)}`
  );
}

/** What frames the events proper is up to the firmware: which, and how many times, boot options were tried. */
function isComparable({ type }: Pick<ExpectedEvent, "type">): boolean {
  return type !== EVENT_TYPES.EV_SEPARATOR && type !== EVENT_TYPES.EV_EFI_ACTION;
}

function differs({ digest, what }: ExpectedEvent, event: LoggedEvent): string | undefined {
  const got = event.digests.get(BANK) ?? new Uint8Array();
  if (Buffer.compare(got, digest) === 0) return undefined;
  return `expected ${what}, digest ${toHex(digest)}, got ${describe(event)}, digest ${toHex(got)}`;
}

function describe(event: LoggedEvent): string {
  return `${eventTypeName(event.type)} "${describeEvent(event)}"`;
}

function place({ log, number, offset }: LoggedEvent): string {
  return `event ${number}${log === "" ? "" : ` of ${log}`} at offset ${hex(offset)}`;
}

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
 * Compares what a log says of a PCR with what was predicted, event by event. What the system and the first stage add may end anywhere.
 * @returns the first difference, in words; undefined when there is none
 */
export function firstDifference(prediction: PcrPrediction, log: readonly LoggedEvent[]): string | undefined {
  const logged = log.filter((event) => event.pcr === prediction.pcr && extendsBank(event, BANK) && isComparable(event));
  const ways = prediction.values.map(({ events }) => events).sort((a, b) => b.length - a.length);
  const differences = ways.map((events) => differenceTo(prediction, events, logged));
  if (differences.some((difference) => difference === undefined)) return undefined;
  // None of the ways a boot can go is the log's: told of the one that it follows longest.
  return differences.reduce((a, b) => ((b?.matched ?? 0) > (a?.matched ?? 0) ? b : a))?.text;
}

interface Difference {
  /** How many events are as expected. */
  readonly matched: number;
  readonly text: string;
}

function differenceTo(
  { pcr, events }: PcrPrediction,
  more: readonly ExpectedEvent[],
  logged: readonly LoggedEvent[],
): Difference | undefined {
  const expected = [...events, ...more].filter(isComparable);
  for (const [index, event] of logged.entries()) {
    const wanted = expected[index];
    const reason = wanted === undefined ? `nothing more was expected, got ${describe(event)}` : differs(wanted, event);
    if (reason !== undefined) return { matched: index, text: `PCR ${pcr}, ${place(event)}: ${reason}` };
  }
  const missing = logged.length < events.filter(isComparable).length ? expected[logged.length] : undefined;
  if (missing === undefined) return undefined;
  const text = `PCR ${pcr}: the log ends where ${missing.what} was expected, digest ${toHex(missing.digest)}`;
  return { matched: logged.length, text };
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

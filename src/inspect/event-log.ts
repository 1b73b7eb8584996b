import { hex, toHex } from "../bytes/index.ts";
import { type Bank, bankOf, dumpEventLog, isEventLog, parseEventLog, replayEvents } from "../formats/tpm/index.ts";
import { alignedLines, counted } from "../text/index.ts";
import type { InspectedFile, Inspection, Reader } from "./types.ts";
import { readWhole } from "./whole.ts";

const FORMAT = "tpm-event-log";

/** What firmware measured: a log of the form of TPM 2.0. */
export const eventLogReader: Reader = { what: "a TPM event log", matches: isEventLog, inspect };

function inspect({ source }: InspectedFile): Inspection {
  const bytes = readWhole(source, FORMAT);
  const { algorithms, events } = parseEventLog(bytes);
  const banks = algorithms.flatMap(({ id }) => bankOf(id) ?? []);
  const pcrs = banks.map((bank): [Bank, [number, Uint8Array][]] => [bank, [...replayEvents(events, bank)]]);
  // People compare the bank that systemd uses; JSON has all of them.
  const shown = pcrs.find(([bank]) => bank === "sha256") ?? pcrs[0];
  return {
    format: FORMAT,
    title: `TPM event log, ${counted(events.length, "event")}, ${algorithms.map(({ id }) => bankOf(id) ?? hex(id)).join(", ")}`,
    lines: alignedLines((shown?.[1] ?? []).map(([pcr, value]) => [`PCR ${pcr}`, toHex(value)])),
    facts: {
      events: events.length,
      pcrs: Object.fromEntries(
        pcrs.map(([bank, values]) => [bank, Object.fromEntries(values.map(([pcr, value]) => [pcr, toHex(value)]))]),
      ),
    },
    warnings: [],
    problems: [],
    list: undefined,
    dump: () => dumpEventLog(bytes),
    verify: undefined,
  };
}

import { hex, toHex } from "../../bytes/index.ts";
import { describeEvent, eventTypeName } from "./describe.ts";
import { BANKS } from "./layout.ts";
import { bankOf, parseEventLog } from "./read.ts";
import { extendsBank, replayEvents } from "./replay.ts";

/** A log as text: every record with what was extended, then what the PCRs are after it. @throws FormatError as `parseEventLog` does. */
export function dumpEventLog(log: Uint8Array): string {
  const { algorithms, isLegacy, events } = parseEventLog(log);
  const banks = algorithms.flatMap(({ id }) => bankOf(id) ?? []);
  const names = algorithms.map(({ id }) => bankOf(id) ?? hex(id));
  const lines = [`event log of ${isLegacy ? "TPM 1.2's form" : "TPM 2.0's form"}: ${names.join(", ")}`];
  for (const event of events) {
    lines.push(
      `  ${hex(event.offset).padStart(8)}  PCR ${event.pcr}  ${eventTypeName(event.type)}: ${describeEvent(event)}`,
    );
    for (const bank of banks) {
      const digest = event.digests.get(bank);
      if (digest !== undefined && extendsBank(event, bank))
        lines.push(`            ${bank.padEnd(6)} ${toHex(digest)}`);
    }
  }
  for (const bank of banks) {
    lines.push(`${bank}, digests of ${BANKS[bank].digestBytes} bytes`);
    for (const [pcr, value] of replayEvents(events, bank))
      lines.push(`  PCR ${String(pcr).padEnd(2)}  ${toHex(value)}`);
  }
  return `${lines.join("\n")}\n`;
}

import { Command, InvalidArgumentError, Option } from "commander";
import { firstDifference, type LoggedEvent, type Prediction, predict } from "../../attest/index.ts";
import { fromHex, toHex, UsageError } from "../../bytes/index.ts";
import {
  BANKS,
  type Bank,
  describeEvent,
  eventTypeName,
  extendsBank,
  PCR_COUNT,
  parseEventLog,
  parseUserspaceLog,
  RECORD_SEPARATOR,
  replayEvents,
} from "../../formats/tpm/index.ts";
import { inFile, readInput } from "../../host/index.ts";
import { alignedLines, counted } from "../../text/index.ts";
import { addPredictionOptions, type PredictionFlags, readPredictionInputs } from "../prediction-inputs.ts";
import { EXIT, printJson, printResult, printWarnings } from "../terminal.ts";

interface AttestFlags extends PredictionFlags {
  readonly against?: string;
  readonly pcr?: ReadonlyMap<number, string>;
  readonly bank: Bank;
  readonly events: boolean;
  readonly json: boolean;
}

export function attestCommand(): Command {
  const command = new Command("attest")
    .summary("replay what a boot measured, and compare it with what it should have")
    .description(
      "Replays logs of measurements and prints the PCRs they lead to: the firmware's, " +
        "/sys/kernel/security/tpm0/binary_bios_measurements, then the system's, /run/log/systemd/tpm2-measure.log. Names " +
        "the first difference to what an image should measure, and to what the TPM says. Exit status: 1 when something differs.",
    )
    .argument("<log...>", "the logs, in the order in which they were written")
    .option("--against <image>", "what should have booted: a unified kernel image, or a generation that has one")
    .addOption(new Option("--pcr <number=value>", "what the TPM says; may be repeated").argParser(pcrValue))
    .addOption(new Option("--bank <bank>", "the bank that is replayed").choices(Object.keys(BANKS)).default("sha256"))
    .addOption(new Option("--events", "list the events, too").default(false));
  return addPredictionOptions(command, "for --against: ")
    .addOption(new Option("--json", "print as JSON").default(false))
    .action(run);
}

function pcrValue(text: string, others: ReadonlyMap<number, string> = new Map()): ReadonlyMap<number, string> {
  const [, number, value] = /^(\d{1,2})=(?:0x)?([0-9a-fA-F]+)$/.exec(text) ?? [];
  if (number === undefined || value === undefined || Number(number) >= PCR_COUNT) {
    throw new InvalidArgumentError("expected the number of a PCR and its value in hexadecimal: 11=7254...");
  }
  return new Map([...others, [Number(number), value.toLowerCase()]]);
}

async function run(paths: readonly string[], flags: AttestFlags): Promise<void> {
  const logs = await Promise.all(paths.map((path) => readLog(path, paths.length > 1)));
  const events = logs.flat();
  const { bank } = flags;
  if (flags.against !== undefined && bank !== "sha256") {
    throw new UsageError(`Cannot compare the bank of ${bank}: predictions are for sha256`);
  }
  const pcrs = replayEvents(events, bank);
  if (pcrs.size === 0) throw new UsageError(`Cannot replay anything: the log has no digests of ${bank}`);
  const prediction =
    flags.against === undefined ? undefined : predict(await readPredictionInputs(flags.against, flags));
  printWarnings(prediction?.warnings ?? []);
  const differences = [...comparePrediction(prediction, events), ...compareTpm(flags, pcrs)];
  if (flags.json) printJson(factsOf(flags, events, pcrs, prediction, differences));
  else printResult(describe(flags, events, pcrs, prediction, differences));
  if (differences.length > 0) process.exitCode = EXIT.failure;
}

function readLog(path: string, isOneOfSeveral: boolean): Promise<LoggedEvent[]> {
  return inFile(path, () => {
    const content = readInput(path, "the log");
    const isUserspace = content[0] === RECORD_SEPARATOR.charCodeAt(0);
    const events = isUserspace
      ? parseUserspaceLog(Buffer.from(content).toString("utf8"))
      : parseEventLog(content).events;
    return events.map((event, index) => ({ ...event, log: isOneOfSeveral ? path : "", number: index + 1 }));
  });
}

function comparePrediction(prediction: Prediction | undefined, events: readonly LoggedEvent[]): string[] {
  return (prediction?.pcrs ?? []).flatMap((pcr) => firstDifference(pcr, events) ?? []);
}

/** What the log says must be what the TPM says: a log alone is only a file. */
function compareTpm({ pcr: told, bank }: AttestFlags, pcrs: ReadonlyMap<number, Uint8Array>): string[] {
  return [...(told ?? [])].flatMap(([pcr, value]) => {
    const replayed = pcrs.get(pcr) ?? new Uint8Array(BANKS[bank].digestBytes);
    if (Buffer.compare(fromHex(value), replayed) === 0) return [];
    return `PCR ${pcr}: the TPM says ${value}, but the log leads to ${toHex(replayed)}: it is another boot's, or not complete`;
  });
}

function factsOf(
  { bank, events: listed }: AttestFlags,
  events: readonly LoggedEvent[],
  pcrs: ReadonlyMap<number, Uint8Array>,
  prediction: Prediction | undefined,
  differences: readonly string[],
): object {
  return {
    bank,
    pcrs: Object.fromEntries([...pcrs].map(([pcr, value]) => [pcr, toHex(value)])),
    ...(listed ? { events: events.map((event) => eventFacts(event, bank)) } : {}),
    ...(prediction === undefined ? {} : { compared: prediction.pcrs.map(({ pcr }) => pcr) }),
    differences,
  };
}

function eventFacts(event: LoggedEvent, bank: Bank): object {
  const { log, number, offset, pcr, type } = event;
  const digest = extendsBank(event, bank) ? toHex(event.digests.get(bank) ?? new Uint8Array()) : null;
  return { log, number, offset, pcr, type: eventTypeName(type), text: describeEvent(event), digest };
}

function describe(
  { bank, events: listed, pcr: told }: AttestFlags,
  events: readonly LoggedEvent[],
  pcrs: ReadonlyMap<number, Uint8Array>,
  prediction: Prediction | undefined,
  differences: readonly string[],
): string {
  const compared = new Set([...(prediction?.pcrs ?? []).map(({ pcr }) => pcr), ...(told?.keys() ?? [])]);
  const rows = [...pcrs].map(([pcr, value]) => {
    const differs = differences.some((text) => new RegExp(`^PCR ${pcr}\\b`).test(text));
    return [`PCR ${pcr}`, toHex(value), compared.has(pcr) ? (differs ? "DIFFERS" : "as expected") : ""];
  });
  return [
    `${counted(events.length, "event")}, bank ${bank}`,
    ...(listed
      ? alignedLines(
          events.map((event) => eventRow(event, bank)),
          [0],
        )
      : []),
    ...alignedLines(rows),
    ...differences.map((text) => `DIFFERENCE: ${text}`),
    ...(compared.size > 0 && differences.length === 0 ? ["no differences"] : []),
  ].join("\n");
}

function eventRow(event: LoggedEvent, bank: Bank): string[] {
  const digest = extendsBank(event, bank) ? toHex(event.digests.get(bank) ?? new Uint8Array()) : "not extended";
  return [String(event.number), `PCR ${event.pcr}`, digest, `${eventTypeName(event.type)}: ${describeEvent(event)}`];
}

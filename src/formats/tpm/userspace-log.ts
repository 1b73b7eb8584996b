import { FormatError, fromHex } from "../../bytes/index.ts";
import { BANKS, type Bank, EVENT_TYPES, MAX_LOG_BYTES, PCR_COUNT } from "./layout.ts";
import type { LogEvent } from "./read.ts";

/** What the operating system measured, after the firmware had handed over. */
export interface UserspaceEvent extends LogEvent {
  /** Who wrote the record says with this of what kind it is: "phase", "lazyrd". */
  readonly kind: string | undefined;
  /** The text that was measured, where the record has it. */
  readonly text: string | undefined;
}

const FORMAT = "tpm-userspace-log";
/** Records begin with it (RFC 7464). */
export const RECORD_SEPARATOR = "\x1e";

/**
 * Reads a log of systemd's form, /run/log/systemd/tpm2-measure.log: JSON records close to TCG's CEL-JSON.
 * @throws FormatError for a record that is none.
 */
export function parseUserspaceLog(text: string): UserspaceEvent[] {
  if (text.length > MAX_LOG_BYTES) fail(`expected at most ${MAX_LOG_BYTES} bytes, got ${text.length}`, 0);
  const [before = "", ...records] = text.split(RECORD_SEPARATOR);
  if (before.trim() !== "") fail("expected a record separator (0x1e) at its start", 0);
  let offset = before.length;
  return records.map((record) => {
    const event = parseRecord(record, offset);
    offset += RECORD_SEPARATOR.length + record.length;
    return event;
  });
}

function parseRecord(record: string, offset: number): UserspaceEvent {
  let value: unknown;
  try {
    value = JSON.parse(record);
  } catch (cause) {
    throw new FormatError("Cannot read the log of measurements: a record is not JSON", {
      format: FORMAT,
      offset,
      cause,
    });
  }
  const { pcr, digests, content } = recordOf(value, offset);
  if (!isIndex(pcr)) return fail(`expected a PCR below ${PCR_COUNT}`, offset);
  if (!Array.isArray(digests)) return fail("expected a list of digests", offset);
  const said = typeof content === "object" && content !== null ? (content as Record<string, unknown>) : {};
  const text = stringOf(said["string"]);
  return {
    pcr,
    type: EVENT_TYPES.EV_IPL,
    digests: new Map(digests.flatMap((digest) => parseDigest(digest, offset))),
    data: Buffer.from(text ?? "", "utf8"),
    offset,
    kind: stringOf(said["eventType"]),
    text,
  };
}

function parseDigest(value: unknown, offset: number): readonly [Bank, Uint8Array][] {
  const { hashAlg, digest } = recordOf(value, offset);
  if (typeof hashAlg !== "string" || typeof digest !== "string") return fail("expected hashAlg and digest", offset);
  if (!Object.hasOwn(BANKS, hashAlg)) return [];
  const bank = hashAlg as Bank;
  const bytes = fromHex(digest);
  if (bytes.length !== BANKS[bank].digestBytes) fail(`a digest of ${bank} cannot have ${bytes.length} bytes`, offset);
  return [[bank, bytes]];
}

function recordOf(value: unknown, offset: number): Record<string, unknown> {
  if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  return fail("expected an object", offset);
}

function isIndex(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < PCR_COUNT;
}

function stringOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function fail(reason: string, offset: number): never {
  throw new FormatError(`Cannot read the log of measurements: ${reason}`, { format: FORMAT, offset });
}

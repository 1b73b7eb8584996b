import { FormatError, hex } from "../../bytes/index.ts";
import {
  AlgorithmSize,
  BANKS,
  type Bank,
  EVENT_TYPES,
  EventHeader,
  FORMAT,
  LegacyEvent,
  MAX_ALGORITHMS,
  MAX_DIGEST_BYTES,
  MAX_LOG_BYTES,
  PCR_COUNT,
  SPEC_ID_SIGNATURE,
  SpecIdEvent,
} from "./layout.ts";

/** One record of a log. */
export interface LogEvent {
  readonly pcr: number;
  readonly type: number;
  /** By the banks that lazyrd knows; what was extended, which need not be the hash of `data`. */
  readonly digests: ReadonlyMap<Bank, Uint8Array>;
  readonly data: Uint8Array;
  /** Where the record stands in the log. */
  readonly offset: number;
}

/** A log that was read. */
export interface EventLog {
  /** Every one that the log has digests of, in its order. */
  readonly algorithms: readonly { readonly id: number; readonly digestBytes: number }[];
  /** Whether all records are of the old form, with SHA-1 only. */
  readonly isLegacy: boolean;
  readonly events: readonly LogEvent[];
}

const SIZE_BYTES = 4;
const ALGORITHM_ID_BYTES = 2;

/**
 * Reads a log as the kernel shows it, /sys/kernel/security/tpm0/binary_bios_measurements.
 * @throws FormatError with the offset of the record that is cut off or not sound.
 */
export function parseEventLog(log: Uint8Array): EventLog {
  if (log.length > MAX_LOG_BYTES) fail(`expected at most ${MAX_LOG_BYTES} bytes, got ${log.length}`, 0);
  const first = readLegacyEvent(log, 0);
  const specId =
    first.event.type === EVENT_TYPES.EV_NO_ACTION ? parseSpecId(first.event.data, LegacyEvent.size) : undefined;
  const algorithms = specId ?? [{ id: BANKS.sha1.algorithm, digestBytes: BANKS.sha1.digestBytes }];
  const sizes = new Map(algorithms.map(({ id, digestBytes }) => [id, digestBytes]));
  const events = [first.event];
  let offset = first.end;
  while (offset < log.length) {
    const { event, end } = specId === undefined ? readLegacyEvent(log, offset) : readEvent(log, offset, sizes);
    events.push(event);
    offset = end;
  }
  return { algorithms, isLegacy: specId === undefined, events };
}

/** Whether a file starts as logs of several algorithms do; `head` are its first bytes. */
export function isEventLog(head: Uint8Array): boolean {
  const signature = head.subarray(LegacyEvent.size, LegacyEvent.size + SPEC_ID_SIGNATURE.length);
  return Buffer.from(signature).toString("latin1") === SPEC_ID_SIGNATURE;
}

/** The bank of an algorithm, undefined for one that lazyrd does not compute. */
export function bankOf(algorithm: number): Bank | undefined {
  return (Object.keys(BANKS) as Bank[]).find((bank) => BANKS[bank].algorithm === algorithm);
}

interface ReadEvent {
  readonly event: LogEvent;
  readonly end: number;
}

function readLegacyEvent(log: Uint8Array, offset: number): ReadEvent {
  const header = LegacyEvent.parse(need(log, offset, LegacyEvent.size));
  const data = need(log, offset + LegacyEvent.size, header.EventDataSize);
  const digests = new Map<Bank, Uint8Array>([["sha1", header.Digest]]);
  return {
    event: { pcr: checkPcr(header.PCRIndex, header.EventType, offset), type: header.EventType, digests, data, offset },
    end: offset + LegacyEvent.size + data.length,
  };
}

function readEvent(log: Uint8Array, offset: number, sizes: ReadonlyMap<number, number>): ReadEvent {
  const { PCRIndex, EventType, DigestCount } = EventHeader.parse(need(log, offset, EventHeader.size));
  if (DigestCount > sizes.size)
    fail(`expected at most ${sizes.size} digests, got ${DigestCount}`, offset, "DigestCount");
  const digests = new Map<Bank, Uint8Array>();
  let at = offset + EventHeader.size;
  for (let index = 0; index < DigestCount; index++) {
    const id = viewOf(need(log, at, ALGORITHM_ID_BYTES)).getUint16(0, true);
    const size = sizes.get(id);
    if (size === undefined) return fail(`its first record does not have algorithm ${hex(id)}`, at, "AlgorithmId");
    const digest = need(log, at + ALGORITHM_ID_BYTES, size);
    const bank = bankOf(id);
    if (bank !== undefined) digests.set(bank, digest);
    at += ALGORITHM_ID_BYTES + size;
  }
  const size = viewOf(need(log, at, SIZE_BYTES)).getUint32(0, true);
  const data = need(log, at + SIZE_BYTES, size);
  const pcr = checkPcr(PCRIndex, EventType, offset);
  return { event: { pcr, type: EventType, digests, data, offset }, end: at + SIZE_BYTES + size };
}

/** The algorithms that a first record names, undefined when it is not one that does. */
function parseSpecId(data: Uint8Array, offset: number): EventLog["algorithms"] | undefined {
  if (data.length < SpecIdEvent.size) return undefined;
  const { Signature, NumberOfAlgorithms: count } = SpecIdEvent.parse(data);
  if (Signature !== SPEC_ID_SIGNATURE) return undefined;
  if (count === 0 || count > MAX_ALGORITHMS) {
    fail(`expected 1 to ${MAX_ALGORITHMS} algorithms, got ${count}`, offset, "NumberOfAlgorithms");
  }
  if (data.length < SpecIdEvent.size + count * AlgorithmSize.size + 1) {
    fail(`the record of its algorithms is cut off: ${data.length} bytes for ${count} of them`, offset);
  }
  return Array.from({ length: count }, (_, index) => {
    const { AlgorithmId: id, DigestSize: digestBytes } = AlgorithmSize.parse(
      data,
      SpecIdEvent.size + index * AlgorithmSize.size,
    );
    const bank = bankOf(id);
    const expected = bank === undefined ? undefined : BANKS[bank].digestBytes;
    if (digestBytes > MAX_DIGEST_BYTES || digestBytes === 0 || (expected ?? digestBytes) !== digestBytes) {
      fail(`digests of algorithm ${hex(id)} cannot have ${digestBytes} bytes`, offset, "DigestSize");
    }
    return { id, digestBytes };
  });
}

function checkPcr(pcr: number, type: number, offset: number): number {
  // What extends nothing may name none.
  if (pcr < PCR_COUNT || type === EVENT_TYPES.EV_NO_ACTION) return pcr;
  return fail(`there is no PCR ${pcr}`, offset, "PCRIndex");
}

function need(log: Uint8Array, offset: number, length: number): Uint8Array {
  if (offset + length <= log.length) return log.subarray(offset, offset + length);
  return fail(`it is cut off: ${length} bytes are needed, ${Math.max(0, log.length - offset)} are left`, offset);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function fail(reason: string, offset: number, field?: string): never {
  throw new FormatError(`Cannot read the event log: ${reason}`, { format: FORMAT, offset, field });
}

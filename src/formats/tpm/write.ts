import {
  AlgorithmSize,
  BANKS,
  type Bank,
  EVENT_TYPES,
  EventHeader,
  LegacyEvent,
  SPEC_ID_SIGNATURE,
  SpecIdEvent,
} from "./layout.ts";
import type { LogEvent } from "./read.ts";

/** An event to be written: with a digest for each bank of the log. */
export type NewEvent = Pick<LogEvent, "pcr" | "type" | "digests" | "data">;

/** As firmware of PCs writes it: client platform, version 2.0, of 64 bits. */
const SPEC_ID = { Signature: SPEC_ID_SIGNATURE, SpecVersionMajor: 2, UintnSize: 2 } as const;
const NO_VENDOR_INFO = Uint8Array.of(0);

/**
 * A log of several algorithms: its first record, then the events.
 * @param banks of which every event has a digest, in the log's order
 * @throws RangeError when an event lacks a digest
 */
export function encodeEventLog(banks: readonly Bank[], events: readonly NewEvent[]): Uint8Array {
  const specId = Buffer.concat([
    SpecIdEvent.encode({ ...SPEC_ID, NumberOfAlgorithms: banks.length }),
    ...banks.map((bank) =>
      AlgorithmSize.encode({ AlgorithmId: BANKS[bank].algorithm, DigestSize: BANKS[bank].digestBytes }),
    ),
    NO_VENDOR_INFO,
  ]);
  const first = LegacyEvent.encode({ EventType: EVENT_TYPES.EV_NO_ACTION, EventDataSize: specId.length });
  return Buffer.concat([first, specId, ...events.flatMap((event) => encodeEvent(banks, event))]);
}

function encodeEvent(banks: readonly Bank[], { pcr, type, digests, data }: NewEvent): Uint8Array[] {
  return [
    EventHeader.encode({ PCRIndex: pcr, EventType: type, DigestCount: banks.length }),
    ...banks.flatMap((bank) => {
      const digest = digests.get(bank);
      if (digest?.length !== BANKS[bank].digestBytes) throw new RangeError(`An event for PCR ${pcr} has no ${bank}`);
      return [u16(BANKS[bank].algorithm), digest];
    }),
    u32(data.length),
    data,
  ];
}

function u16(value: number): Uint8Array {
  const bytes = new Uint8Array(2);
  new DataView(bytes.buffer).setUint16(0, value, true);
  return bytes;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

import { alignUp, FormatError, type Guid, toSafeNumber } from "../../bytes/index.ts";
import { encodeEfiTime, KEY_VARIABLES, type KeyVariable } from "./keys.ts";
import {
  AUTHENTICATED_STORE,
  FIRMWARE_VOLUME_SIGNATURE,
  FirmwareVolumeHeader,
  FORMAT,
  KEY_ATTRIBUTES,
  STORE_FORMATTED,
  STORE_HEALTHY,
  VARIABLE_ADDED,
  VARIABLE_ALIGNMENT,
  VARIABLE_START,
  VariableHeader,
  VariableStoreHeader,
} from "./layout.ts";

/** A variable as OVMF stores it. */
export interface StoredVariable {
  readonly name: string;
  readonly vendor: Guid;
  readonly attributes: number;
  readonly value: Uint8Array;
}

interface Store {
  readonly variables: readonly StoredVariable[];
  /** Where the next variable goes, and where the store ends. */
  readonly freeOffset: number;
  readonly endOffset: number;
}

/**
 * The variables of a store (a file like OVMF_VARS.fd) that count: not those that were deleted or replaced.
 * @throws FormatError when it is no such store.
 */
export function readVariables(flash: Uint8Array): StoredVariable[] {
  return [...readStore(flash).variables];
}

/**
 * A copy of a store with keys of Secure Boot, as if they had been enrolled at `time`: firmware that finds a PK in it checks
 * what it starts.
 * @param keys values as `encodeSignatureLists` makes them
 * @throws FormatError when it is no such store, has one of them, or is full.
 */
export function enrollInStore(
  flash: Uint8Array,
  keys: Readonly<Partial<Record<KeyVariable, Uint8Array>>>,
  time: Date,
): Uint8Array {
  const { variables, freeOffset, endOffset } = readStore(flash);
  const output = Uint8Array.from(flash);
  let offset = freeOffset;
  for (const key of ["db", "KEK", "PK"] as const) {
    const value = keys[key];
    if (value === undefined) continue;
    const { name, vendor } = KEY_VARIABLES[key];
    if (variables.some((variable) => variable.name === name && variable.vendor === vendor)) {
      throw new FormatError(`Cannot enroll ${name}: the store has one`, { format: FORMAT });
    }
    const encoded = encodeVariable({ name, vendor, attributes: KEY_ATTRIBUTES, value }, time);
    if (offset + encoded.length > endOffset) {
      throw new FormatError(`Cannot enroll ${name}: ${endOffset - offset} bytes are free`, { format: FORMAT, offset });
    }
    output.set(encoded, offset);
    offset = alignUp(offset + encoded.length, VARIABLE_ALIGNMENT);
  }
  return output;
}

function encodeVariable({ name, vendor, attributes, value }: StoredVariable, time: Date): Uint8Array {
  const nameBytes = Buffer.from(`${name}\0`, "utf16le");
  const header = VariableHeader.encode({
    StartId: VARIABLE_START,
    State: VARIABLE_ADDED,
    Attributes: attributes,
    TimeStamp: encodeEfiTime(time),
    NameSize: nameBytes.length,
    DataSize: value.length,
    VendorGuid: vendor,
  });
  return Buffer.concat([header, nameBytes, value]);
}

function readStore(flash: Uint8Array): Store {
  const volume = FirmwareVolumeHeader.parse(flash);
  if (volume.Signature !== FIRMWARE_VOLUME_SIGNATURE)
    fail("expected _FVH", FirmwareVolumeHeader.fields.Signature.offset);
  const start = volume.HeaderLength;
  const header = VariableStoreHeader.parse(flash, start);
  const isReady = header.Format === STORE_FORMATTED && header.State === STORE_HEALTHY;
  if (header.Signature !== AUTHENTICATED_STORE || !isReady) fail("expected a store of authenticated variables", start);
  const volumeEnd = toSafeNumber(volume.FvLength, { format: FORMAT, field: "FvLength" });
  const endOffset = start + header.Size;
  if (endOffset > Math.min(flash.length, volumeEnd)) fail(`its ${header.Size} bytes reach beyond the flash`, start);

  const variables: StoredVariable[] = [];
  let offset = start + VariableStoreHeader.size;
  while (offset + VariableHeader.size <= endOffset) {
    const { StartId, State, NameSize, DataSize, Attributes, VendorGuid } = VariableHeader.parse(flash, offset);
    if (StartId !== VARIABLE_START) break;
    const nameStart = offset + VariableHeader.size;
    const valueStart = nameStart + NameSize;
    const end = valueStart + DataSize;
    if (end > endOffset) fail("a variable reaches beyond it", offset);
    if (State === VARIABLE_ADDED) {
      const name = Buffer.from(flash.subarray(nameStart, valueStart)).toString("utf16le").replace(/\0$/, "");
      variables.push({ name, vendor: VendorGuid, attributes: Attributes, value: flash.subarray(valueStart, end) });
    }
    offset = alignUp(end, VARIABLE_ALIGNMENT);
  }
  return { variables, freeOffset: offset, endOffset };
}

function fail(reason: string, offset: number): never {
  throw new FormatError(`Cannot use this as OVMF's store of variables: ${reason}`, { format: FORMAT, offset });
}

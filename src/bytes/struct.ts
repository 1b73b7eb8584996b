import { FormatError } from "./errors.ts";
import { type Guid, guidFromEfi, guidToEfi } from "./guid.ts";

/** One field of a struct on disk: its place and how it is read and written. */
export interface Field<T> {
  readonly offset: number;
  readonly size: number;
  get(view: DataView): T;
  set(view: DataView, value: T): void;
}

const LITTLE = true;

export const u8 = (offset: number): Field<number> => ({
  offset,
  size: 1,
  get: (view) => view.getUint8(offset),
  set: (view, value) => view.setUint8(offset, checkUnsigned(value, 0xff)),
});

export const u16 = (offset: number): Field<number> => ({
  offset,
  size: 2,
  get: (view) => view.getUint16(offset, LITTLE),
  set: (view, value) => view.setUint16(offset, checkUnsigned(value, 0xffff), LITTLE),
});

export const u32 = (offset: number): Field<number> => ({
  offset,
  size: 4,
  get: (view) => view.getUint32(offset, LITTLE),
  set: (view, value) => view.setUint32(offset, checkUnsigned(value, 0xffff_ffff), LITTLE),
});

export const u64 = (offset: number): Field<bigint> => ({
  offset,
  size: 8,
  get: (view) => view.getBigUint64(offset, LITTLE),
  set: (view, value) => {
    if (BigInt.asUintN(64, value) !== value) throw new RangeError(`The field holds 64 bits, got ${value}`);
    view.setBigUint64(offset, value, LITTLE);
  },
});

/** A DataView keeps the low bits of whatever it is given: an image with a wrong number in it, and nobody is told. */
function checkUnsigned(value: number, most: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw new RangeError(`The field holds whole numbers up to ${most}, got ${value}`);
}

/** `size` raw bytes. Reading copies; writing fewer bytes makes the rest zero. */
export const bytes = (offset: number, size: number): Field<Uint8Array> => ({
  offset,
  size,
  get: (view) => new Uint8Array(view.buffer, view.byteOffset + offset, size).slice(),
  set: (view, value) => {
    if (value.length > size) throw new RangeError(`The field holds ${size} bytes, got ${value.length}`);
    const field = new Uint8Array(view.buffer, view.byteOffset + offset, size);
    field.set(value);
    field.fill(0, value.length);
  },
});

const BEYOND_ONE_BYTE = /[\u0100-\uffff]/;

/** Text of one byte a character, padded with NUL. Reading stops at the first NUL. */
export const ascii = (offset: number, size: number): Field<string> => {
  const raw = bytes(offset, size);
  return {
    offset,
    size,
    get: (view) => Buffer.from(raw.get(view)).toString("latin1").split("\0", 1)[0] ?? "",
    set: (view, value) => {
      if (BEYOND_ONE_BYTE.test(value)) throw new RangeError(`The field holds one byte a character, got ${value}`);
      raw.set(view, Buffer.from(value, "latin1"));
    },
  };
};

/** A GUID in EFI's mixed-endian byte order. */
export const efiGuid = (offset: number): Field<Guid> => {
  const raw = bytes(offset, 16);
  return {
    offset,
    size: 16,
    get: (view) => guidFromEfi(raw.get(view)),
    set: (view, value) => raw.set(view, guidToEfi(value)),
  };
};

type Fields = Readonly<Record<string, Field<unknown>>>;

/** The values of a struct's fields, by name. */
export type ValuesOf<F extends Fields> = { -readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** A struct on disk: one declaration gives reader, writer, size and type. */
export interface Struct<F extends Fields> {
  readonly name: string;
  readonly size: number;
  readonly fields: F;
  /** @throws FormatError when fewer than `size` bytes are left at `offset`. */
  parse(input: Uint8Array, offset?: number): ValuesOf<F>;
  /** `size` bytes; fields that are left out are zero. */
  encode(values: Partial<ValuesOf<F>>): Uint8Array;
  /** Like `encode`, in place; bytes of fields that are left out stay as they are. */
  write(output: Uint8Array, offset: number, values: Partial<ValuesOf<F>>): void;
}

/** What a struct of a declaration holds: `type Superblock = StructOf<typeof Superblock>`. */
export type StructOf<S> = S extends Struct<infer F> ? ValuesOf<F> : never;

/**
 * Declares a struct of `size` bytes. Bytes that no field names are reserved and written as zero.
 * @throws RangeError when a field leaves the struct or overlaps another one: a mistake in the declaration.
 */
export function struct<const F extends Fields>(name: string, size: number, fields: F): Struct<F> {
  let end = 0;
  for (const [fieldName, field] of Object.entries(fields).sort(([, a], [, b]) => a.offset - b.offset)) {
    if (field.offset < end)
      throw new RangeError(`${name}.${fieldName} at ${field.offset} overlaps the field before it`);
    end = field.offset + field.size;
    if (end > size) throw new RangeError(`${name}.${fieldName} ends at ${end}, after the struct's ${size} bytes`);
  }
  const write = (output: Uint8Array, offset: number, values: Partial<ValuesOf<F>>): void => {
    const view = new DataView(output.buffer, output.byteOffset + offset, size);
    for (const fieldName of Object.keys(values)) {
      const field = fields[fieldName];
      const value = values[fieldName];
      if (field === undefined) throw new RangeError(`${name} has no field ${fieldName}`);
      if (value !== undefined) field.set(view, value);
    }
  };
  return {
    name,
    size,
    fields,
    parse(input, offset = 0) {
      if (offset < 0 || offset + size > input.length) {
        throw new FormatError(`Cannot read ${size} bytes: ${Math.max(0, input.length - offset)} are left`, {
          format: name,
          offset,
        });
      }
      const view = new DataView(input.buffer, input.byteOffset + offset, size);
      return Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, field.get(view)])) as ValuesOf<F>;
    },
    encode(values) {
      const output = new Uint8Array(size);
      write(output, 0, values);
      return output;
    },
    write,
  };
}

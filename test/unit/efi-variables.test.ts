import { describe, expect, test } from "vitest";
import { FormatError } from "../../src/bytes/index.ts";
import {
  encodeEfiTime,
  encodeSignatureLists,
  encodeSignedVariable,
  enrollInStore,
  readVariables,
  signedVariableBytes,
} from "../../src/formats/efi-variables/index.ts";
import {
  AUTHENTICATED_STORE,
  EfiTime,
  FirmwareVolumeHeader,
  SignatureList,
  STORE_FORMATTED,
  STORE_HEALTHY,
  VariableAuthentication,
  VariableHeader,
  VariableStoreHeader,
} from "../../src/formats/efi-variables/layout.ts";

const OWNER = "00112233-4455-6677-8899-aabbccddeeff";
const OWNER_BYTES = "33221100554477668899aabbccddeeff";
const TIME = new Date("2026-02-03T04:05:06.789Z");
const TIME_BYTES = "ea070203040506000000000000000000";
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** An empty store of `size` bytes in flash that is twice as large. */
function emptyFlash(size = 1024): Uint8Array {
  const flash = new Uint8Array(2 * size).fill(0xff);
  flash.set(FirmwareVolumeHeader.encode({ FvLength: BigInt(flash.length), Signature: "_FVH", HeaderLength: 72 }));
  const header = { Signature: AUTHENTICATED_STORE, Size: size, Format: STORE_FORMATTED, State: STORE_HEALTHY };
  flash.set(VariableStoreHeader.encode(header), 72);
  return flash;
}

test("structs have the sizes that UEFI and edk2 give them", () => {
  const sizes = [EfiTime, SignatureList, VariableAuthentication, VariableStoreHeader, VariableHeader].map(
    ({ size }) => size,
  );
  expect(sizes).toEqual([16, 28, 40, 28, 60]);
});

test("a time has whole seconds, UTC", () => {
  expect(hexOf(encodeEfiTime(TIME))).toBe(TIME_BYTES);
});

test("each certificate has a list of its own", () => {
  const lists = encodeSignatureLists([Uint8Array.of(1, 2), Uint8Array.of(3)], OWNER);
  const type = "a159c0a5e494a74a87b5ab155c2bf072";
  expect(hexOf(lists)).toBe(
    `${type}2e0000000000000012000000${OWNER_BYTES}0102${type}2d0000000000000011000000${OWNER_BYTES}03`,
  );
});

test("a signed variable: what is signed, and how it is wrapped", () => {
  const value = Uint8Array.of(0xaa, 0xbb);
  const db = "cbb219d73a3d9645a3bcdad00e67656f";
  expect(hexOf(signedVariableBytes("db", TIME, value))).toBe(`64006200${db}27000000${TIME_BYTES}aabb`);
  expect(hexOf(encodeSignedVariable(TIME, Uint8Array.of(0x30, 0x00), value))).toBe(
    `${TIME_BYTES}1a0000000002f10e9dd2af4adf68ee498aa9347d375665a73000aabb`,
  );
});

describe("a store of variables", () => {
  test("holds what is enrolled, PK last", () => {
    const keys = { PK: Uint8Array.of(1), KEK: Uint8Array.of(2, 2), db: Uint8Array.of(3, 3, 3) };
    const flash = enrollInStore(emptyFlash(), keys, TIME);
    expect(readVariables(flash).map(({ name, attributes, value }) => [name, attributes, [...value]])).toEqual([
      ["db", 0x27, [3, 3, 3]],
      ["KEK", 0x27, [2, 2]],
      ["PK", 0x27, [1]],
    ]);
    expect(readVariables(emptyFlash())).toEqual([]);
  });

  test("can be added to, but nothing is replaced", () => {
    const flash = enrollInStore(emptyFlash(), { PK: Uint8Array.of(1) }, TIME);
    expect(readVariables(enrollInStore(flash, { db: Uint8Array.of(2) }, TIME)).map(({ name }) => name)).toEqual([
      "PK",
      "db",
    ]);
    expect(() => enrollInStore(flash, { PK: Uint8Array.of(1) }, TIME)).toThrow("Cannot enroll PK: the store has one");
  });

  test("that is full says so", () => {
    expect(() => enrollInStore(emptyFlash(), { db: new Uint8Array(1000) }, TIME)).toThrow(
      /Cannot enroll db: 996 bytes are free/,
    );
  });

  test("deleted variables do not count", () => {
    const flash = enrollInStore(emptyFlash(), { db: Uint8Array.of(1), PK: Uint8Array.of(2) }, TIME);
    VariableHeader.write(flash, 72 + VariableStoreHeader.size, { State: 0x3d });
    expect(readVariables(flash).map(({ name }) => name)).toEqual(["PK"]);
  });

  test("what is none is refused", () => {
    const damage: readonly ((flash: Uint8Array) => void)[] = [
      (flash) => FirmwareVolumeHeader.write(flash, 0, { Signature: "none" }),
      (flash) => VariableStoreHeader.write(flash, 72, { Format: 0 }),
      (flash) => VariableStoreHeader.write(flash, 72, { Size: 5000 }),
      (flash) => VariableHeader.write(flash, 72 + VariableStoreHeader.size, { DataSize: 5000 }),
    ];
    for (const harm of damage) {
      const flash = enrollInStore(emptyFlash(), { db: Uint8Array.of(1) }, TIME);
      harm(flash);
      expect(() => readVariables(flash)).toThrow(FormatError);
    }
    expect(() => readVariables(new Uint8Array(10))).toThrow(FormatError);
  });
});

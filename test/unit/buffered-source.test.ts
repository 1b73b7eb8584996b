import { expect, test } from "vitest";
import { BufferedSource, FormatError } from "../../src/bytes/index.ts";
import { CountingSource } from "../support/counting-source.ts";

const PIECE = 1 << 20;
const bytes = Uint8Array.from({ length: 3 * PIECE + 5 }, (_, index) => (index * 31) >>> 3);

test("small steps read a piece at a time, each byte once", () => {
  const source = new CountingSource(bytes);
  const buffered = new BufferedSource(source);
  for (let offset = 0; offset < bytes.length; offset += 4096) {
    const length = Math.min(4096, bytes.length - offset);
    expect(Buffer.compare(buffered.read(offset, length), bytes.subarray(offset, offset + length))).toBe(0);
  }
  expect(source.lengths).toEqual([PIECE, PIECE, PIECE, 5]);
});

test("what is longer than a piece, or stands before it, is read too", () => {
  const buffered = new BufferedSource(new CountingSource(bytes));
  for (const [offset, length] of [
    [PIECE - 3, PIECE + 9],
    [10, 20],
    [bytes.length, 0],
  ] as const) {
    expect(Buffer.compare(buffered.read(offset, length), bytes.subarray(offset, offset + length))).toBe(0);
  }
  expect(() => buffered.read(bytes.length - 1, 2)).toThrow(FormatError);
});

test("pieces one after the other are all of it", () => {
  const buffered = new BufferedSource(new CountingSource(bytes));
  const pieces: Uint8Array[] = [];
  for (let offset = 7, piece = buffered.piece(7); piece.length > 0; piece = buffered.piece(offset)) {
    pieces.push(piece);
    offset += piece.length;
  }
  expect(Buffer.compare(Buffer.concat(pieces), bytes.subarray(7))).toBe(0);
});

test("views that may pass share one memory, and others do not", () => {
  const reading = {
    size: bytes.length,
    read: (offset: number, length: number) => bytes.slice(offset, offset + length),
    readInto: (offset: number, into: Uint8Array) => into.set(bytes.subarray(offset, offset + into.length)),
  };
  for (const hasPassingViews of [true, false]) {
    const buffered = new BufferedSource(reading, { hasPassingViews });
    const first = buffered.read(0, 8);
    const second = buffered.read(PIECE, PIECE);
    expect(Buffer.compare(second, bytes.subarray(PIECE, 2 * PIECE))).toBe(0);
    expect(first.buffer === second.buffer).toBe(hasPassingViews);
    expect(Buffer.compare(buffered.read(5, 2 * PIECE), bytes.subarray(5, 5 + 2 * PIECE))).toBe(0);
  }
});

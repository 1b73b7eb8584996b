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

import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { UsageError } from "../../src/bytes/index.ts";
import { OutputFile } from "../../src/host/index.ts";
import { tempFolder } from "../support/temp.ts";

const SIZE = 1 << 20;

function write(output: OutputFile, pieces: readonly (readonly [offset: number, bytes: Uint8Array])[]): void {
  output.writeSparse(SIZE, (sink) => {
    for (const [offset, bytes] of pieces) sink.writeAt(offset, bytes);
  });
}

test("what is written stands in the file, zeroes everywhere else", () => {
  const path = join(tempFolder(), "file");
  const output = new OutputFile(path, { force: false });
  const pieces: [number, Uint8Array][] = [
    [5000, new Uint8Array(20_000).map((_, index) => (index > 4000 && index < 12_000 ? 0 : index))],
    [100, Uint8Array.of(1)],
    [500_000, new Uint8Array(100_000)],
    [SIZE - 3, Uint8Array.of(0, 0, 7)],
  ];
  write(output, pieces);
  const expected = new Uint8Array(SIZE);
  for (const [offset, bytes] of pieces) expected.set(bytes, offset);
  output.commit();
  expect(Buffer.compare(readFileSync(path), expected)).toBe(0);
});

test("zeroes take no room", () => {
  const path = join(tempFolder(), "file");
  const output = new OutputFile(path, { force: false });
  write(output, [
    [0, new Uint8Array(SIZE / 2)],
    [SIZE / 2, Uint8Array.of(1)],
  ]);
  output.commit();
  const { size, blocks } = statSync(path);
  expect(size).toBe(SIZE);
  expect(blocks * 512).toBeLessThan(SIZE / 4);
});

test("nothing is seen before the commit, and nothing remains after a discard", () => {
  const folder = tempFolder();
  const output = new OutputFile(join(folder, "file"), { force: false });
  write(output, [[0, Uint8Array.of(1)]]);
  expect(readdirSync(folder)).toEqual([expect.stringMatching(/^\.file-[0-9a-f]{12}$/)]);
  output.discard();
  output.discard();
  expect(readdirSync(folder)).toEqual([]);
});

test("a failure in between leaves the old file as it was", () => {
  const folder = tempFolder();
  const path = join(folder, "file");
  writeFileSync(path, "old");
  const output = new OutputFile(path, { force: true });
  expect(() =>
    output.writeSparse(SIZE, () => {
      throw new UsageError("something is wrong");
    }),
  ).toThrow("something is wrong");
  output.discard();
  expect(readdirSync(folder)).toEqual(["file"]);
  expect(readFileSync(path, "utf8")).toBe("old");
});

test("a file that is there is replaced only when told so, also when it came in between", () => {
  const path = join(tempFolder(), "file");
  const early = new OutputFile(path, { force: false });
  write(early, [[0, Uint8Array.of(1)]]);
  writeFileSync(path, "old");
  expect(() => early.commit()).toThrow(`Cannot write to ${path}: there is such a file`);
  early.discard();
  expect(() => new OutputFile(path, { force: false })).toThrow(UsageError);
  const output = new OutputFile(path, { force: true });
  write(output, [[0, Uint8Array.of(7)]]);
  output.commit();
  expect(readFileSync(path)[0]).toBe(7);
});

test("of a symlink, what it leads to is replaced", () => {
  const folder = tempFolder();
  mkdirSync(join(folder, "elsewhere"));
  writeFileSync(join(folder, "elsewhere", "file"), "old");
  symlinkSync("elsewhere/file", join(folder, "link"));
  const output = new OutputFile(join(folder, "link"), { force: true });
  write(output, [[0, Uint8Array.of(7)]]);
  output.commit();
  expect(readFileSync(join(folder, "elsewhere", "file"))[0]).toBe(7);
  expect(readdirSync(folder).sort()).toEqual(["elsewhere", "link"]);
});

test("folders and devices are not written to, whatever one says", () => {
  const folder = tempFolder();
  expect(() => new OutputFile(folder, { force: true })).toThrow("it is a folder");
  expect(() => new OutputFile("/dev/null", { force: true })).toThrow("it is no regular file");
});

test("a place that cannot be written to, or is too small, is told in words", () => {
  expect(() => write(new OutputFile("/proc/none/file", { force: false }), [])).toThrow("Cannot write /proc/none/file");
  const output = new OutputFile(join(tempFolder(), "file"), { force: false });
  expect(() => output.requireSpace(1e18)).toThrow(/^Cannot write 1000000000000\.0 MB to .*: only .* MB are free$/);
});

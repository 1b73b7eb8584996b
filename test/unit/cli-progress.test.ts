import { expect, test } from "vitest";
import { ProgressLine } from "../../src/cli/progress.ts";

/** A terminal that remembers what it was sent, and a clock that is set by hand. */
function scene(terminal: { isTTY: boolean; columns?: number }) {
  const written: string[] = [];
  const clock = { ms: 0 };
  const line = new ProgressLine({ ...terminal, write: (text: string) => written.push(text) }, () => clock.ms);
  return { written, clock, line };
}

const ERASE = "\r\x1b[K";

test("where there is no terminal, a line for each stage and nothing else", () => {
  const { written, line } = scene({ isTTY: false });
  line.update("reading");
  line.update("writing");
  line.update("writing", { doneBytes: 10, totalBytes: 20 });
  line.update("writing", { doneBytes: 20, totalBytes: 20 });
  line.end();
  expect(written).toEqual(["reading\n", "writing\n"]);
});

test("on a terminal, one line that changes and is gone at the end", () => {
  const { written, clock, line } = scene({ isTTY: true, columns: 80 });
  line.update("writing");
  clock.ms = 500;
  line.update("writing", { doneBytes: 5_000_000, totalBytes: 20_000_000 });
  clock.ms = 2000;
  line.update("writing", { doneBytes: 10_000_000, totalBytes: 20_000_000 });
  line.end();
  line.end();
  expect(written).toEqual([
    `${ERASE}writing`,
    `${ERASE}writing: 5.0 MB of 20.0 MB, 25 %`,
    `${ERASE}writing: 10.0 MB of 20.0 MB, 50 %, 2 s left`,
    ERASE,
  ]);
});

test("it is not drawn more often than eyes can follow, but each new stage is", () => {
  const { written, clock, line } = scene({ isTTY: true, columns: 80 });
  for (let doneBytes = 0; doneBytes < 1000; doneBytes++) {
    clock.ms += 1;
    line.update("one", { doneBytes, totalBytes: 1000 });
  }
  expect(written.length).toBeLessThanOrEqual(11);
  line.update("two");
  expect(written.at(-1)).toBe(`${ERASE}two`);
});

test("it never wraps, and long times are in minutes", () => {
  const narrow = scene({ isTTY: true, columns: 20 });
  narrow.line.update("a stage with a long name", { doneBytes: 1, totalBytes: 2 });
  expect(narrow.written).toEqual([`${ERASE}a stage with a long`]);
  const slow = scene({ isTTY: true, columns: 0 });
  slow.line.update("s");
  slow.clock.ms = 60_000;
  slow.line.update("s", { doneBytes: 1, totalBytes: 3 });
  expect(slow.written.at(-1)).toBe(`${ERASE}s: 1 B of 3 B, 33 %, 2 min 0 s left`);
});

import { expect, test } from "vitest";
import { BootSeries } from "../../src/cli/boot-series.ts";
import { ProgressLine } from "../../src/cli/progress.ts";
import { describeProgress, timeLeftMs } from "../../src/cli/progress-text.ts";

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

test.each<[what: string, elapsedMs: number, done: number, total: number, left: number | undefined]>([
  ["a rest as long as what is done", 4000, 1, 2, 4000],
  ["nothing left", 4000, 2, 2, 0],
  ["more done than there was to do", 4000, 3, 2, 0],
  ["nothing done", 4000, 0, 2, undefined],
  ["too little time to go by", 999, 1, 2, undefined],
])("time left: %s", (_what, elapsedMs, done, total, left) => {
  expect(timeLeftMs(elapsedMs, done, total)).toBe(left);
});

test("a stage of nothing has no measure", () => {
  expect(describeProgress("writing", { doneBytes: 0, totalBytes: 0 }, 5000)).toBe("writing");
});

/** A boot whose console says these times of the guest, each a second after the last. */
function bootOf(clock: { ms: number }, seconds: readonly (number | undefined)[]) {
  return async (onLine: (line: { text: string; seconds: number | undefined }) => void): Promise<string> => {
    for (const second of seconds) {
      clock.ms += 1000;
      onLine({ text: "a line", seconds: second });
    }
    return "its result";
  };
}

test("of several boots it tells how many are done and how long the others will take", async () => {
  const { written, clock, line } = scene({ isTTY: true, columns: 80 });
  const boots = new BootSeries((stage, measure) => line.update(stage, measure), 4);
  expect(await boots.run("one", bootOf(clock, [1, undefined, 4]))).toBe("its result");
  clock.ms += 1000;
  await boots.run("two", bootOf(clock, [2, 5]));
  boots.skip(1);
  await boots.run("three", bootOf(clock, []));
  line.end();
  const shown = written.map((text) => text.replace(ERASE, ""));
  expect(shown).toEqual([
    ...["one", "one", "one", "one"],
    // Another 4 s passed for one boot; half of the guest's time of the first one is another half of a boot.
    ...["two", "two, 37 % of 4 boots, 9 s left", "two, 50 % of 4 boots, 6 s left"],
    ...["three", ""],
  ]);
});

test("where there is no terminal, a line for each boot", async () => {
  const { written, clock, line } = scene({ isTTY: false });
  const boots = new BootSeries((stage, measure) => line.update(stage, measure), 2);
  await boots.run("boot 1 of 2", bootOf(clock, [1, 2]));
  await boots.run("boot 2 of 2", bootOf(clock, [1, 2]));
  expect(written).toEqual(["boot 1 of 2\n", "boot 2 of 2\n"]);
});

test("what is said meanwhile stays above the progress, and needs none", () => {
  const terminal = scene({ isTTY: true, columns: 80 });
  terminal.line.say("before");
  terminal.line.update("booting");
  terminal.line.say("a line of the console");
  terminal.line.end();
  expect(terminal.written).toEqual([
    ...["before\n", `${ERASE}booting`],
    ...[ERASE, "a line of the console\n", `${ERASE}booting`, ERASE],
  ]);
  const log = scene({ isTTY: false });
  log.line.update("booting");
  log.line.say("a line of the console");
  expect(log.written).toEqual(["booting\n", "a line of the console\n"]);
});

import { describe, expect, test } from "vitest";
import { UsageError } from "../../src/bytes/index.ts";
import { alignReadings, GuestClock, risingPoints } from "../../src/vm/guest-clock.ts";
import { type ConsoleLine, type RunOptions, recordMachine } from "../../src/vm/index.ts";
import { QemuLogReader } from "../../src/vm/qemu-log.ts";
import { fakeQemu, sampleMachine } from "../support/fake-qemu.ts";
import { EVENT_GAP_US, LOG_START_US, type MachineEvent, qemuLog, scriptOf } from "../support/qemu-log.ts";

const MS = 1_000_000;
const point = (hostUs: number, guestNs: number) => ({ hostUs, guestNs });

function readLog(text: string): QemuLogReader {
  const log = new QemuLogReader();
  for (const line of text.split("\n")) log.add(line);
  log.end();
  return log;
}

const textsOf = (log: QemuLogReader): string[] => log.lines.map(({ bytes }) => Buffer.from(bytes).toString("latin1"));

describe("QEMU's log", () => {
  test("tells reads, lines and readings of the timer, each with its time", () => {
    const log = readLog(
      qemuLog([{ line: "hello" }, { read: [4096, 512] }, { timerNs: 70 }, { read: [0, 8192], disk: 2 }, { line: "" }]),
    );
    const at = (index: number) => LOG_START_US + index * EVENT_GAP_US;
    expect(log.reads).toEqual([
      { hostUs: at(1), disk: 0, offset: 4096, length: 512 },
      { hostUs: at(3), disk: 1, offset: 0, length: 8192 },
    ]);
    expect(log.timer).toEqual([{ hostUs: at(2), ns: 70 }]);
    expect(textsOf(log)).toEqual(["hello", ""]);
    expect(log.lines.map(({ hostUs }) => hostUs)).toEqual([at(0), at(4)]);
  });

  test("has a last line that was not ended", () => {
    expect(textsOf(readLog(qemuLog([{ raw: "serial_write write addr 0x00 val 0x41" }])))).toEqual(["A"]);
  });

  test("adds up the timer that runs from the machine's start, which wraps", () => {
    const reading = (ticks: string) => ({
      raw: `monitor_qmp_respond mon 0x55 resp: {"return": "portl[0x0608] = 0x${ticks}\\r\\n"}`,
    });
    const log = readLog(qemuLog(["ffffffff", "00369e99", "00fffff0", "00000010"].map(reading)));
    expect(log.uptime.map(({ ns }) => Math.round(ns / MS))).toEqual([1000, 4687, 4687]);
    expect((log.uptime[2]?.ns ?? 0) - (log.uptime[1]?.ns ?? 0)).toBeCloseTo((32 * 1e9) / 3_579_545, -1);
  });

  test("takes for text only what is written to the serial port's data register", () => {
    const write = (address: number, value: number) => ({
      raw: `serial_write write addr 0x${address.toString(16)} val 0x${value.toString(16)}`,
    });
    const [divisorOn, divisorOff] = [write(3, 0x83), write(3, 0x03)];
    const [loopOn, loopOff] = [write(4, 0x1f), write(4, 0x0f)];
    const events = [
      ...[divisorOn, write(0, 0x01), write(1, 0x42), divisorOff],
      ...[loopOn, write(0, 0x43), loopOff],
      ...[write(1, 0x44), { line: "text" }],
    ];
    expect(textsOf(readLog(qemuLog(events)))).toEqual(["text"]);
  });

  test("passes over what it does not know", () => {
    const log = readLog(
      `qemu: warning: odd\n${qemuLog([{ raw: "blk_co_preadv odd" }, { raw: "serial_write odd" }, { raw: "other x" }])}`,
    );
    expect([log.reads, log.lines, log.timer]).toEqual([[], [], []]);
  });
});

describe("the guest's clock", () => {
  test("is exact at its points and proportional between them", () => {
    const clock = new GuestClock([point(100, 1000), point(200, 3000), point(400, 3200)]);
    expect([100, 150, 200, 300, 400].map((us) => clock.guestNs(us))).toEqual([1000, 2000, 3000, 3100, 3200]);
  });

  test("stands before its first point, and goes on behind the last as fast as before it", () => {
    const clock = new GuestClock([point(100, 1000), point(200, 3000)]);
    expect([clock.guestNs(0), clock.guestNs(300)]).toEqual([1000, 5000]);
    expect([new GuestClock([]).guestNs(5), new GuestClock([point(1, 7)]).guestNs(5)]).toEqual([0, 7]);
  });

  test("never turns back", () => {
    expect(risingPoints([point(1, 10), point(2, 5), point(2, 20), point(1, 30), point(3, 20)])).toEqual([
      point(1, 10),
      point(2, 20),
      point(3, 20),
    ]);
  });

  test("is set by stamps: the median says how far a timer is off", () => {
    const readings = [point(0, 1000), point(100, 2000), point(200, 3000), point(300, 4000)];
    const stamped = [point(50, 500), point(150, 1500), point(250, 2450)];
    expect(alignReadings(readings, stamped).map(({ guestNs }) => guestNs)).toEqual([0, 1000, 2000, 3000]);
  });

  test("takes no reading that contradicts a stamp", () => {
    const readings = [point(0, 1000), point(100, 2000), point(200, 3000), point(300, 4000)];
    const stamped = [point(50, 500), point(150, 1500), point(190, 2100), point(250, 2500)];
    expect(alignReadings(readings, stamped).map(({ hostUs }) => hostUs)).toEqual([0, 100, 300]);
  });

  test("starts anew where the kernel has reset the timer", () => {
    const readings = [point(0, 0), point(10, 9000), point(20, 50), point(30, 50), point(40, 150)];
    expect(alignReadings(readings, [point(35, 1100)]).map(({ hostUs }) => hostUs)).toEqual([20, 30, 40]);
  });

  test("does without a timer that stands still, and without stamps", () => {
    expect(alignReadings([point(0, 0), point(10, 0)], [point(5, 5)])).toEqual([]);
    expect(alignReadings([point(0, 10), point(10, 20)], [])).toEqual([]);
  });
});

describe("a recording", () => {
  const events: readonly MachineEvent[] = [
    { line: "[    1.000000] one" },
    { read: [0, 4096] },
    { line: "[    1.002000] two" },
    { read: [4096, 4096] },
    { line: "three" },
    { line: "[    1.005000] four" },
  ];
  const record = (options: Partial<RunOptions> = {}) =>
    recordMachine(sampleMachine(), { until: () => false, timeoutSeconds: 10_000, ...options });
  const until = (text: string) => (line: ConsoleLine) => line.text.endsWith(text);

  test("has the guest's time of every line and every read", async () => {
    fakeQemu(scriptOf(events));
    const { end, lines, reads } = await record({ until: until("four") });
    expect(end).toBe("reached");
    expect(lines.map(({ text, ns }) => [text.slice(-4), ns / MS])).toEqual([
      [" one", 1000],
      [" two", 1002],
      ["hree", 1004],
      ["four", 1005],
    ]);
    expect(reads.map(({ ns, offset }) => [ns / MS, offset])).toEqual([
      [1001, 0],
      [1003, 4096],
    ]);
  });

  test("asks QEMU for its trace events", async () => {
    const qemu = fakeQemu(scriptOf(events));
    await record({ until: until("four") });
    const args = qemu.args().join(" ");
    for (const event of ["blk_co_preadv", "serial_write", "monitor_qmp_respond"])
      expect(args).toContain(`-trace ${event}`);
    expect(args).toContain("-msg timestamp=on -D ");
  });

  test("counts no reads from before the kernel's first word: these are QEMU's", async () => {
    fakeQemu(scriptOf([{ read: [0, 512] }, ...events]));
    const { reads, loader } = await record({ until: until("four") });
    expect([reads.map(({ length }) => length), loader]).toEqual([[4096, 4096], undefined]);
  });

  test("tells what firmware and loader read, and when the kernel's clock began", async () => {
    const ticks = (ms: number) =>
      Math.round((ms / 1000) * 3_579_545)
        .toString(16)
        .padStart(8, "0");
    const uptime = (ms: number) => ({
      raw: `monitor_qmp_respond mon 0x55 resp: {"return": "portl[0x0608] = 0x${ticks(ms)}\\r\\n"}`,
    });
    const flash: readonly MachineEvent[] = [
      { read: [0, 3_000_000], disk: 1 },
      { read: [0, 500_000], disk: 2 },
    ];
    const firmware: readonly MachineEvent[] = [
      ...flash,
      ...[uptime(2000), { line: "BdsDxe: starting Boot0001" }, { read: [0, 86_000] as const, disk: 3 }],
      // The kernel says its first line late.
      ...[uptime(2002), { line: "[    0.000000] Linux" }, uptime(2004), { line: "[    0.001000] early" }, uptime(2006)],
      ...[{ read: [0, 4096] as const, disk: 3 }, { line: "[    0.005000] Run /init as init process" }, uptime(9000)],
    ];
    fakeQemu(scriptOf(firmware, { ends: true }));
    const { kernel: _kernel, initrd: _initrd, commandLine: _commandLine, ...hardware } = sampleMachine();
    const machine = { ...hardware, firmware: { code: "code", variables: "variables" } };
    const { reads, loader } = await recordMachine(machine, { until: () => false, timeoutSeconds: 10_000 });
    expect(reads.map(({ length, disk }) => [length, disk])).toEqual([[4096, 0]]);
    expect(loader).toMatchObject({ requests: 1, bytes: 86_000 });
    expect(Math.round((loader?.ns ?? 0) / MS)).toBe(2003);
  });

  test("ends at the line that was waited for", async () => {
    fakeQemu(scriptOf(events));
    const { lines, reads } = await record({ until: until("two") });
    expect([lines.length, reads.length]).toEqual([2, 1]);
  });

  test("of a guest that ends early has what was seen", async () => {
    fakeQemu(scriptOf(events, { ends: true }));
    const { end, lines, reads } = await record();
    expect([end, lines.length, reads.length]).toEqual(["guest-ended", 4, 2]);
  });

  test("cannot be made by a QEMU that logs nothing: says so", async () => {
    fakeQemu("echo hello; exit 0");
    await expect(record()).rejects.toThrow(UsageError);
    await expect(record()).rejects.toThrow("writes no trace events to a log");
  });
});

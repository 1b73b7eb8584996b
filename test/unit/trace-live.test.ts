import { describe, expect, test } from "vitest";
import { FormatError } from "../../src/bytes/index.ts";
import { type LiveSources, liveTrace, memoryOf } from "../../src/trace/index.ts";

const TIMELINE = JSON.stringify({
  version: 1,
  clock: "monotonic",
  firstLineUs: 1_974_000,
  handOverUs: 2_868_000,
  steps: [{ line: 3, step: "try-modules sha256_ssse3", startUs: 1_975_000, endUs: 2_053_000 }],
});

const machine = (given: Partial<LiveSources> = {}): LiveSources => ({
  generator: "lazyrd test",
  kernelRelease: "6.12.9",
  architecture: "x86_64",
  commandLine: "root=/dev/vda1 quiet\n",
  timeline: TIMELINE,
  manager: "InitRDTimestampMonotonic=3400000\nUserspaceTimestampMonotonic=9000000\nFinishTimestampMonotonic=0\n",
  multiUser: "ActiveEnterTimestampMonotonic=12000000\n",
  memory: "MemTotal:        2014000 kB\nMemFree:  1 kB\nMemAvailable:    1800000 kB\n",
  disks: " 254 0 vda 120 3 4000 7 0 0 0 0 0 0 0\n 254 1 vda1 110 3 3000 7\n   8 0 sda 0 0 0 0 0 0 0\n",
  diskNames: ["vda", "sda"],
  uptime: "61.25 100.00\n",
  ...given,
});

describe("the trace of a running machine", () => {
  test("has what the first stage, systemd and the kernel tell", () => {
    const trace = liveTrace(machine());
    expect(trace.milestones.map(({ name, ns }) => [name, ns / 1e9])).toEqual([
      ["kernel", 0],
      ["first-stage", 1.974],
      ["switch", 2.868],
      ["next-stage", 3.4],
      ["system", 9],
      ["multi-user", 12],
    ]);
    expect(trace.steps).toEqual([
      { verb: "try-modules", outcome: "sha256_ssse3", startNs: 1_975_000_000, endNs: 2_053_000_000 },
    ]);
    expect(trace.disks).toEqual([{ name: "vda", requests: 120, bytes: 4000 * 512 }]);
    expect(trace.memory).toEqual([
      { ns: 61.25e9, what: "total", bytes: 2_014_000 * 1024 },
      { ns: 61.25e9, what: "available", bytes: 1_800_000 * 1024 },
    ]);
    expect(trace.boot).toMatchObject({
      way: "lazy",
      source: "machine",
      commandLine: "root=/dev/vda1 quiet",
      rootHash: null,
    });
  });

  test("without lazyrd and systemd has what is left", () => {
    const trace = liveTrace(machine({ timeline: undefined, manager: undefined, multiUser: undefined }));
    expect([trace.boot.way, trace.milestones.length, trace.steps]).toEqual(["classic", 1, []]);
  });

  test.each(["{", '{"version":2}', '{"version":1,"firstLineUs":-1,"handOverUs":0,"steps":[]}'])(
    "refuses a damaged timeline: %s",
    (timeline) => {
      expect(() => liveTrace(machine({ timeline }))).toThrow(FormatError);
    },
  );
});

test("the kernel's log tells of memory", () => {
  const lines = [
    { ns: 1, text: "[    0.1] Memory: 1970000K/2096620K available (14336K kernel code)" },
    { ns: 2, text: "[    0.9] Freeing initrd memory: 576K" },
  ];
  expect(memoryOf(lines)).toEqual([
    { ns: 1, what: "total", bytes: 2_096_620 * 1024 },
    { ns: 1, what: "available", bytes: 1_970_000 * 1024 },
    { ns: 2, what: "initrd-freed", bytes: 576 * 1024 },
  ]);
});

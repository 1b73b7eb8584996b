import { describe, expect, test } from "vitest";
import { ToolError, UsageError } from "../../src/bytes/index.ts";
import { type ConsoleLine, qemuArguments, type RunOptions, runMachine } from "../../src/vm/index.ts";
import { fakeQemu, sampleMachine, usePath } from "../support/fake-qemu.ts";
import { tempFolder } from "../support/temp.ts";

/** Longer than any of these runs, so that nothing but the machine can end one. */
const FOREVER_SECONDS = 10_000_000;

const run = (options: Partial<RunOptions> = {}) =>
  runMachine(sampleMachine(), { until: () => false, timeoutSeconds: FOREVER_SECONDS, ...options });

const until = (text: string) => (line: ConsoleLine) => line.text === text;

const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );

describe("a run", () => {
  test("ends at the line that was waited for; the machine is stopped, later lines do not count", async () => {
    const qemu = fakeQemu("printf 'one\\ntwo\\nthree\\nfour\\n'; exec sleep 1000000");
    const seen: string[] = [];
    const record = await run({ until: until("two"), onLine: ({ text }) => seen.push(text) });
    expect(record).toEqual({
      end: "reached",
      lines: [
        { text: "one", seconds: undefined },
        { text: "two", seconds: undefined },
      ],
    });
    expect([seen, qemu.isRunning()]).toEqual([["one", "two"], false]);
    expect(qemu.args()).toEqual(qemuArguments(sampleMachine()));
  });

  test("ends with the guest; a last line without an end counts", async () => {
    fakeQemu("printf 'one\\ntw'; printf 'o'");
    const record = await run({ until: until("never") });
    expect([record.end, record.lines.map(({ text }) => text)]).toEqual(["guest-ended", ["one", "two"]]);
  });

  test("answers what the console asks, once each", async () => {
    fakeQemu(
      "printf 'Name: '; read name; printf '[1] a line between\\nName: Word: '; read word; echo \"$name, $word\"",
    );
    const answers = [
      { prompt: /Word: $/, text: "xyzzy\n" },
      { prompt: /Name: $/, text: "somebody\n" },
    ];
    const record = await run({ answers });
    expect(record.lines.at(-1)?.text).toBe("Name: Word: somebody, xyzzy");
  });

  test("ends with the guest that says nothing", async () => {
    fakeQemu("exit 0");
    expect(await run()).toEqual({ end: "guest-ended", lines: [] });
  });

  test("ends when the time is over, and not before because the time is long", async () => {
    const qemu = fakeQemu("echo one; exec sleep 1000000");
    expect((await run({ timeoutSeconds: 0.5 })).end).toBe("timeout");
    expect(qemu.isRunning()).toBe(false);
  });

  test("lets its caller ask the machine before it is stopped", async () => {
    const qemu = fakeQemu("echo one; exec sleep 1000000");
    const running: boolean[] = [];
    const beforeStop = async () => {
      running.push(qemu.isRunning());
    };
    await run({ until: until("one"), beforeStop });
    expect([running, qemu.isRunning()]).toEqual([[true], false]);
  });

  test("stops the machine even when the caller's question fails", async () => {
    const qemu = fakeQemu("echo one; exec sleep 1000000");
    const fault = new Error("no answer");
    expect(await errorOf(run({ until: until("one"), beforeStop: () => Promise.reject(fault) }))).toBe(fault);
    expect(qemu.isRunning()).toBe(false);
  });

  test("reads the kernel's time, and drops what is meant for a terminal", async () => {
    fakeQemu(
      String.raw`printf '\033[2J\033c\033(B[   12.345678] systemd[1]: \033[0;1;32mup\033[0m\r\n'
                 printf '[  OK  ] Reached\033[K\r\n[0.5] early\n[x] no\n  [1.5] no\n'
                 printf '\303\244'; sleep 0.1; printf '\342\202'; sleep 0.1; printf '\254\n'`,
    );
    expect((await run()).lines).toEqual([
      { text: "[   12.345678] systemd[1]: up", seconds: 12.345678 },
      { text: "[  OK  ] Reached", seconds: undefined },
      { text: "[0.5] early", seconds: 0.5 },
      { text: "[x] no", seconds: undefined },
      { text: "  [1.5] no", seconds: undefined },
      { text: "ä€", seconds: undefined },
    ]);
  });
});

describe("a machine that cannot run", () => {
  test("since QEMU is not installed: how to install it", async () => {
    usePath(tempFolder());
    const error = await errorOf(run());
    expect(error).toBeInstanceOf(UsageError);
    expect(error).toMatchObject({
      message: "Cannot find qemu-system-x86_64",
      hint: expect.stringContaining("apt install qemu-system-x86"),
    });
  });

  test("since QEMU refuses it: what QEMU said last, and all of it for who asks", async () => {
    fakeQemu("echo 'qemu: warning: odd' >&2; echo 'qemu: could not open kernel file' >&2; exit 1");
    const error = await errorOf(run());
    expect(error).toBeInstanceOf(ToolError);
    expect(error).toMatchObject({
      message: "Cannot run the machine: qemu: could not open kernel file",
      exitCode: 1,
      stderr: "qemu: warning: odd\nqemu: could not open kernel file\n",
      argv: ["qemu-system-x86_64", ...qemuArguments(sampleMachine())],
    });
  });

  test.each([
    ["exit 3", 3, "qemu-system-x86_64 ended with exit status 3"],
    ["echo one; exit 3", 3, "qemu-system-x86_64 ended with exit status 3"],
    ["echo one; kill -SEGV $$", null, "qemu-system-x86_64 ended with signal SIGSEGV"],
  ])("any more, after %j", async (script, exitCode, reason) => {
    fakeQemu(script);
    const error = await errorOf(run());
    expect(error).toBeInstanceOf(ToolError);
    expect(error).toMatchObject({ message: `Cannot run the machine: ${reason}`, exitCode });
  });
});

import { expect, test } from "vitest";
import { build, sampleBuild } from "../support/built-generation.ts";
import { lazyrd } from "../support/cli.ts";
import { fakeQemu } from "../support/fake-qemu.ts";

/** A machine that says this on its console, and then does nothing any more. */
const machineThatSays = (...lines: readonly string[]): string =>
  [...lines.map((line) => `echo '${line}'`), "exec sleep 600"].join("\n");

test("a boot that comes up ends there", async () => {
  const { folder } = await build(await sampleBuild());
  const machine = fakeQemu(machineThatSays("[    3.400000] systemd[1]: systemd 252 running in system mode"));
  const { status, stdout } = lazyrd(["boot", folder, "--quiet"]);
  expect(status).toBe(0);
  expect(stdout).toContain("The next stage runs.");
  expect(machine.isRunning()).toBe(false);
});

test("a kernel that stands still after a panic is not waited for", async () => {
  const { folder } = await build(await sampleBuild());
  const panic = "Kernel panic - not syncing: dm-verity device corrupted";
  const machine = fakeQemu(
    machineThatSays(`[    5.000000] ${panic}`, `[    5.000001] ---[ end ${panic} ]---`, "[    9.000000] never"),
  );
  const { status, stdout } = lazyrd(["boot", folder, "--quiet"]);
  expect(status).toBe(3);
  expect(stdout).toContain(`The next stage did not come up: [    5.000000] ${panic}`);
  expect(machine.isRunning()).toBe(false);
  expect(JSON.parse(lazyrd(["boot", folder, "--quiet", "--json"]).stdout)).toMatchObject({ end: "panicked" });
});

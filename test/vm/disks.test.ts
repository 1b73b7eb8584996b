import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import type { DiskBus } from "../../src/vm/index.ts";
import type { KernelFlavour } from "../support/fixtures.ts";
import { emptyDisk, imageDisk } from "../support/vm-disks.ts";
import { generation } from "../support/vm-generations.ts";
import { section, smallProbe } from "../support/vm-probe.ts";
import { boot, bootToReport, failures } from "../support/vm-story.ts";

/** The drivers of one generic first stage, uncompressed because that is quicker to build. */
const generic = (kernel: KernelFlavour) =>
  generation({ kernel, initrd: "small", drivers: "generic", config: '[first-stage]\ncompression = "none"\n' });

const buses: readonly (readonly [bus: DiskBus, kernel: KernelFlavour, driver: string])[] = [
  ["nvme", "6.12-amd64", "nvme"],
  ["ahci", "6.12-amd64", "ahci"],
  ["usb", "6.12-amd64", "usb_storage"],
  ["virtio-scsi", "6.12-amd64", "virtio_scsi"],
  ["virtio-blk", "6.12-amd64", "virtio_blk"],
  ["nvme", "6.1-amd64", "nvme"],
  ["usb", "6.1-amd64", "usb_storage"],
];

for (const [bus, kernel, driver] of buses) {
  test(`an image on ${bus} is found by the generic first stage of ${kernel}`, async () => {
    const built = generic(kernel);
    const report = await bootToReport(built, { append: smallProbe(), disks: [imageDisk(built, bus)] });
    expect(section(report, "dm")).toHaveLength(1);
    // Its driver is loaded. Those of buses that this machine does not have are not; AHCI is part of every q35.
    const others = buses.map(([, , other]) => other).filter((other) => other !== driver && other !== "ahci");
    const loaded = section(report, "modules");
    expect(loaded).toContain(driver);
    expect(loaded.filter((name) => others.includes(name))).toEqual([]);
  });
}

test("an image that is plugged in after the first stage looked for it is found", async () => {
  const built = generic("6.12-amd64");
  const report = await bootToReport(built, {
    append: smallProbe(),
    // An empty disk brings the controller at which the image appears.
    disks: [emptyDisk("virtio-scsi")],
    meanwhile: async (monitor, console) => {
      // The first look takes milliseconds: by then the first stage waits.
      while (!console.some((line) => line.includes("lazyrd: coldplug"))) await delay(100);
      await delay(2000);
      const file = { driver: "file", filename: built.path("image"), "read-only": true };
      await monitor.execute("blockdev-add", { "node-name": "late", driver: "raw", "read-only": true, file });
      await monitor.execute("device_add", { driver: "scsi-hd", bus: "scsi.0", drive: "late" });
    },
  });
  expect(section(report, "log").find((line) => line.includes("device data"))).toMatch(/data is \/dev\/sdb1/);
});

test("a USB disk that is plugged in late is found", async () => {
  const built = generic("6.12-amd64");
  const report = await bootToReport(built, {
    append: smallProbe(),
    commandLine: "usb-storage.delay_use=0",
    disks: [emptyDisk("usb")],
    meanwhile: async (monitor, console) => {
      while (!console.some((line) => line.includes("lazyrd: coldplug"))) await delay(100);
      await delay(2000);
      const file = { driver: "file", filename: built.path("image"), "read-only": true };
      await monitor.execute("blockdev-add", { "node-name": "late", driver: "raw", "read-only": true, file });
      await monitor.execute("device_add", { driver: "usb-storage", bus: "usb.0", drive: "late" });
    },
  });
  expect(section(report, "dm")).toHaveLength(1);
});

const MISSING_TIMEOUT_SECONDS = 3;

const policies = [
  { policy: "reboot", reason: "guest-reset", sentence: "rebooting in 1 s" },
  { policy: "poweroff", reason: "guest-shutdown", sentence: "powering off in 1 s" },
] as const;

for (const { policy, reason, sentence } of policies) {
  test(`without the image's disk the machine says what it saw and does a ${policy}, in time`, async () => {
    const config = `[boot]\non-failure = "${policy}"\nfailure-delay = 1\ntimeout = ${MISSING_TIMEOUT_SECONDS}\n`;
    const built = generation({ kernel: "6.12-amd64", initrd: "small", config });
    const { dataPartition } = built.manifest.image;
    const disks = [emptyDisk("virtio-blk")];
    const ending = await boot(built, { disks });
    expect(ending.reason).toBe(reason);
    expect(failures(ending)).toEqual([
      expect.stringMatching(
        `^FAILED at plan line \\d+ \\(device\\): no partition with PARTUUID ${dataPartition} after 3 s; disks seen: vda \\(no GPT\\)$`,
      ),
      sentence,
    ]);
    expect(secondsBetween(ending.console, /lazyrd: coldplug/, /lazyrd: FAILED/)).toBeLessThan(
      MISSING_TIMEOUT_SECONDS + 2,
    );
  });
}

test("without any disk a machine with the policy panic stops for good", async () => {
  const config = `[boot]\non-failure = "panic"\ntimeout = ${MISSING_TIMEOUT_SECONDS}\n`;
  const built = generation({ kernel: "6.12-amd64", initrd: "small", config });
  const ending = await boot(built, { disks: [], until: /end Kernel panic/ });
  expect(ending.end).toBe("reached");
  expect(failures(ending)[0]).toMatch(/after 3 s; disks seen: none$/);
  expect(failures(ending)[1]).toBe("stopping, as the plan says");
});

test("a disk with the image of another generation is not taken for this one's", async () => {
  const config = `[boot]\nfailure-delay = 1\ntimeout = ${MISSING_TIMEOUT_SECONDS}\n`;
  const built = generation({ kernel: "6.12-amd64", initrd: "small", config });
  const other = generation({ kernel: "6.12-amd64", initrd: "dracut" });
  const ending = await boot(built, { disks: [imageDisk(other)] });
  expect(ending.reason).toBe("guest-reset");
  expect(failures(ending)[0]).toMatch(/no partition with PARTUUID .* disks seen: vda$/);
});

test("of two disks the one with this generation's image is taken", async () => {
  const built = generation({ kernel: "6.12-amd64", initrd: "small" });
  const other = generation({ kernel: "6.12-amd64", initrd: "dracut" });
  const report = await bootToReport(built, { append: smallProbe(), disks: [imageDisk(other), imageDisk(built)] });
  expect(section(report, "dm")[0]).toContain(built.manifest.image.rootHash.slice(0, 32));
  expect(section(report, "log").join("\n")).toContain("device data is /dev/vdb1");
});

/** Time of the guest between two lines of its console. */
function secondsBetween(console: readonly string[], from: RegExp, to: RegExp): number {
  const [start, end] = [from, to].map((pattern) => {
    const line = console.find((candidate) => pattern.test(candidate)) ?? "";
    return Number(/^\[\s*(\d+\.\d+)\]/.exec(line)?.[1]);
  });
  return (end ?? Number.NaN) - (start ?? Number.NaN);
}

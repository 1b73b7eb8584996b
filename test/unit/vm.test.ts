import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  type ConsoleLine,
  DISK_BUSES,
  describeTimeline,
  findMilestones,
  type Machine,
  type MemoryDevice,
  qemuArguments,
  readTimeline,
  showsMilestone,
} from "../../src/vm/index.ts";
import { sampleMachine } from "../support/fake-qemu.ts";

/** The value behind each occurrence of an option. */
function valuesOf(machine: Machine, option: string): string[] {
  const args = qemuArguments(machine);
  return args.flatMap((argument, index) => (argument === option ? [args[index + 1] ?? ""] : []));
}

const disk = (bus: (typeof DISK_BUSES)[number], path = "/d.raw", readOnly = true) => ({ bus, path, readOnly });

describe("QEMU's arguments", () => {
  test("for a machine without anything", () => {
    expect(qemuArguments(sampleMachine())).toEqual([
      ...["-machine", "q35,accel=tcg", "-cpu", "max", "-m", "512M", "-smp", "1"],
      ...["-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"],
      ...["-kernel", "/kernel", "-initrd", "/initrd", "-append", "quiet"],
    ]);
  });

  test.each([
    ["virtio-blk", ["virtio-blk-pci,drive=disk0"]],
    ["virtio-scsi", ["virtio-scsi-pci,id=scsi", "scsi-hd,bus=scsi.0,drive=disk0"]],
    ["nvme", ["nvme,drive=disk0,serial=lazyrd0"]],
    ["ahci", ["ide-hd,drive=disk0"]],
    ["usb", ["qemu-xhci,id=usb", "usb-storage,bus=usb.0,drive=disk0"]],
  ] as const)("attach a disk by %s", (bus, devices) => {
    expect(valuesOf(sampleMachine({ disks: [disk(bus)] }), "-device")).toEqual(devices);
  });

  test("know every bus", () => {
    const machine = sampleMachine({ disks: DISK_BUSES.map((bus) => disk(bus)) });
    expect(valuesOf(machine, "-drive")).toHaveLength(DISK_BUSES.length);
    expect(valuesOf(machine, "-device")).toHaveLength(DISK_BUSES.length + 2);
  });

  test("give two disks on one bus one controller, and names of their own", () => {
    const machine = sampleMachine({ disks: [disk("virtio-scsi"), disk("virtio-scsi"), disk("nvme"), disk("nvme")] });
    expect(valuesOf(machine, "-device")).toEqual([
      "virtio-scsi-pci,id=scsi",
      "scsi-hd,bus=scsi.0,drive=disk0",
      "scsi-hd,bus=scsi.0,drive=disk1",
      "nvme,drive=disk2,serial=lazyrd2",
      "nvme,drive=disk3,serial=lazyrd3",
    ]);
  });

  test("never let the guest write to what is only to be read", () => {
    const drives = (readOnly: boolean) =>
      valuesOf(sampleMachine({ disks: [disk("nvme", "/d", readOnly), disk("ahci", "/d", readOnly)] }), "-drive");
    expect(drives(true)).toEqual([
      "if=none,id=disk0,format=raw,file=/d,readonly=on",
      "if=none,id=disk1,format=raw,file=/d,snapshot=on",
    ]);
    expect(drives(false)).toEqual(["if=none,id=disk0,format=raw,file=/d", "if=none,id=disk1,format=raw,file=/d"]);
  });

  test("double commas in paths where QEMU splits at them, and only there", () => {
    const machine = sampleMachine({
      kernel: "/a,b/kernel",
      initrd: "/a,b/initrd",
      commandLine: "console=ttyS0,115200",
      disks: [disk("virtio-blk", "/a,b/c,,d.raw")],
      serialFiles: ["/a,b/serial"],
      monitorSocket: "/a,b/monitor",
    });
    expect(valuesOf(machine, "-kernel")).toEqual(["/a,b/kernel"]);
    expect(valuesOf(machine, "-initrd")).toEqual(["/a,b/initrd"]);
    expect(valuesOf(machine, "-append")).toEqual(["console=ttyS0,115200"]);
    expect(valuesOf(machine, "-drive")).toEqual(["if=none,id=disk0,format=raw,file=/a,,b/c,,,,d.raw,readonly=on"]);
    expect(valuesOf(machine, "-serial")).toEqual(["stdio", "file:/a,b/serial"]);
    expect(valuesOf(machine, "-qmp")).toEqual(["unix:/a,,b/monitor,server=on,wait=off"]);
  });

  test("count instructions only where told to", () => {
    expect(valuesOf(sampleMachine(), "-icount")).toEqual([]);
    expect(valuesOf(sampleMachine({ countInstructions: true }), "-icount")).toEqual(["shift=0,sleep=on"]);
    const skipping = sampleMachine({ countInstructions: true, skipsIdle: true });
    expect(valuesOf(skipping, "-icount")).toEqual(["shift=0,sleep=off"]);
  });
});

/** Lines as the console shows them; the kernel's time stamp, where there is one, counts. */
function linesOf(text: string): ConsoleLine[] {
  return text.split("\n").map((line) => {
    const seconds = /^\[\s*([\d.]+)\] /.exec(line)?.[1];
    return { text: line, seconds: seconds === undefined ? undefined : Number(seconds) };
  });
}

const milestonesOf = (text: string) => findMilestones(linesOf(text)).map(({ name, seconds }) => [name, seconds]);

describe("milestones", () => {
  test.each([
    ["systemd", "[    3.46] systemd[1]: systemd 252.39-1~deb12u2 running in system mode (+PAM)", "next-stage", 3.46],
    ["initramfs-tools", "Loading, please wait...", "next-stage", 0],
    ["dracut's shell", "dracut: dracut-059-4", "next-stage", 0],
    ["the kernel", "[    1.97] Run /init as init process", "first-stage", 1.97],
    ["a failed step", "[    9.00] lazyrd: FAILED at plan line 7 (device): no such partition", "failed", 9],
    ["the kernel's end", "[    9.50] Kernel panic - not syncing: Attempted to kill init!", "panic", 9.5],
    ["the last target", "[  OK  ] Reached target initrd.target - Initrd Default Target.", "initrd-target", 0],
    ["the hand-over", "[    2.87] lazyrd: switch to /init after 898.0 ms, 10 modules loaded", "switch", 2.87],
  ])("of %s", (_, line, name, seconds) => {
    expect(milestonesOf(line)).toEqual([[name, seconds]]);
  });

  test.each([
    "[    4.03] systemd[1]: Queued start job for default target initrd.target.",
    "[    3.37] systemd[1]: Inserted module 'autofs4'",
    "[    1.97] Run /sbin/init as init process",
    "please wait: Loading, please wait...",
    "[  OK  ] Reached target initrd-root…get - Initrd Root File System.",
    "",
  ])("not %j", (line) => {
    expect(milestonesOf(line)).toEqual([]);
  });

  test("count once, at the first line, and take the time of the line before where they have none", () => {
    const text = [
      "[    1.00] Run /init as init process",
      "[    2.00] x",
      "Loading, please wait...",
      "[    3.00] Run /init as init process",
    ];
    expect(milestonesOf(text.join("\n"))).toEqual([
      ["first-stage", 1],
      ["next-stage", 2],
    ]);
  });

  test("are asked for by name", () => {
    const [line = { text: "", seconds: undefined }] = linesOf("Loading, please wait...");
    expect([showsMilestone(line, "next-stage"), showsMilestone(line, "panic")]).toEqual([true, false]);
  });
});

describe("the timeline", () => {
  test("of a recorded boot", async () => {
    const console = readFileSync(new URL("../golden/boot-console.txt", import.meta.url), "utf8");
    const timeline = readTimeline(linesOf(console));
    expect(timeline.steps.map(({ verb, milliseconds }) => [verb, milliseconds])).toEqual([
      ["try-modules", 77.8],
      ["modules", 729.2],
      ["coldplug", 74.9],
      ["device", 0.3],
      ["device", 0.3],
      ["verity", 12.2],
      ["mount", 1.3],
      ["overlay", 0.2],
      ["forward", 0.5],
    ]);
    expect(timeline.milestones.map(({ name }) => name)).toEqual([
      "first-stage",
      "switch",
      "next-stage",
      "initrd-target",
    ]);
    await expect(`${describeTimeline(timeline)}\n`).toMatchFileSnapshot("../golden/boot-timeline.txt");
  });

  test("of a boot that fails", () => {
    const text = [
      "[    1.000000] Run /init as init process",
      "[    1.500000] lazyrd: modules 8 loaded, 500.0 ms",
      "[   31.500000] lazyrd: FAILED at plan line 6 (device): no partition 00112233-4455-6677-8899-aabbccddeeff in 30 s",
      "[   61.500000] reboot: Restarting system",
    ];
    expect(describeTimeline(readTimeline(linesOf(text.join("\n"))))).toBe(
      [
        "    1.000 s  kernel starts /init",
        `    1.500 s    modules       500.0 ms  ${"#".repeat(30)} 8 loaded`,
        "   31.500 s  first stage gave up",
      ].join("\n"),
    );
  });

  test("of nothing is empty, and lines without a time are no steps", () => {
    expect(readTimeline([])).toEqual({ milestones: [], steps: [] });
    expect(describeTimeline(readTimeline([]))).toBe("");
    expect(readTimeline(linesOf("lazyrd: modules 8 loaded, 1.0 ms")).steps).toEqual([]);
  });
});

test("memory that is a device of its own has room in the machine, and is not written to", () => {
  const image = { path: "/image", sizeBytes: 94 << 20 };
  const machineWith = (device: MemoryDevice) => sampleMachine({ memoryImage: { ...image, device } });
  const nvdimm = machineWith("nvdimm");
  expect(valuesOf(nvdimm, "-machine")).toEqual(["q35,accel=tcg,nvdimm=on"]);
  expect(valuesOf(nvdimm, "-m")).toEqual(["512M,slots=1,maxmem=2654M"]);
  expect(valuesOf(nvdimm, "-object")).toEqual([
    "memory-backend-file,id=image,share=off,readonly=on,mem-path=/image,size=98566144",
  ]);
  expect(valuesOf(nvdimm, "-device")).toEqual(["nvdimm,unarmed=on,memdev=image"]);
  expect(valuesOf(machineWith("virtio-pmem"), "-device")).toEqual(["virtio-pmem-pci,memdev=image"]);
});

import { describe, expect, test } from "vitest";
import { regularFile } from "../../src/tree/index.ts";
import { expectPolicy, failureOf } from "./first-stage/faults.ts";
import { DRIVERS, IMAGE, logOf, planFor, planWith, type Story, tell, textOf } from "./first-stage/machine.ts";

const NANOSECONDS_IN_MS = 1_000_000;
/** A step that loads all drivers that the machine needs, finds no disk, and fails. */
const NO_DISK = "device none partuuid=00000000-0000-0000-0000-000000000000 timeout=0s";
const NO_GPT = new Uint8Array(1 << 20);

describe("waiting for the image's disk", () => {
  const late: Readonly<Record<string, Story>> = {
    "whose partitions come 20 ms after it": { disk: { partitionsAfterMs: 20 } },
    "that appears after 3 s": {
      hasDisk: false,
      hardware: ({ clock, blockDevices }) =>
        clock.schedule(3000, () => blockDevices.addDisk({ name: "sda", content: IMAGE.disk })),
    },
    "whose bus appears after 3 s": {
      hasDisk: false,
      hardware: ({ clock, buses }) =>
        clock.schedule(3000, () =>
          buses.addDevice({ bus: "virtio", name: "virtio9", modalias: "virtio:d00000002v00001AF4" }),
        ),
    },
    "among other disks, without a table, empty, and with another image": {
      disk: { name: "vdz", partitionsAfterMs: 5 },
      hardware: ({ blockDevices }) => {
        blockDevices.addDisk({ name: "vda", content: NO_GPT });
        blockDevices.addDisk({ name: "sr0", content: NO_GPT, hasNoMedium: true });
        blockDevices.addDisk({ name: "loop0", content: new Uint8Array(0) });
      },
    },
    "whose name ends in a digit": { disk: { name: "nvme0n1" } },
  };

  test.each(Object.entries(late))("%s", (_name, story) => {
    const boot = tell(story);
    expect(boot.end).toEqual({ kind: "exec", path: "/init" });
  });

  test("goes on as soon as the disk is announced, and without it at the latest half a second later", () => {
    const appears = (kernelTells: boolean): Story => ({
      disk: { partitionsAfterMs: 3210 },
      faults: kernelTells ? [] : [{ call: "socket", errno: "EAFNOSUPPORT" }],
    });
    expect(tell(appears(true)).durationMs).toBeLessThan(3300);
    const deaf = tell(appears(false));
    expect(deaf.durationMs).toBeGreaterThan(3210);
    expect(deaf.durationMs).toBeLessThan(3810);
    expect(logOf(deaf).join("\n")).toContain("no device events from this kernel");
  });

  test("does not use up memory or descriptors", () => {
    const boot = tell({ disk: { partitionsAfterMs: 9900 } });
    expect(boot.end.kind).toBe("exec");
    expect(boot.kernel.descriptors.count).toBe(0);
  });

  test("rests between two looks, even when the kernel cannot wait for events", () => {
    const boot = tell({ hasDisk: false, faults: [{ call: "wait_readable", errno: "EIO" }] });
    expect(failureOf(boot)).toMatchObject({ verb: "device" });
    expect(boot.calls.length).toBeLessThan(1000);
  });

  test("sees partitions named as the kernel names them", () => {
    expect(logOf(tell({ disk: { name: "nvme0n1" } })).join("\n")).toContain("device data is /dev/nvme0n1p1,");
    expect(logOf(tell({ disk: { name: "mmcblk0" } })).join("\n")).toContain("device hash is /dev/mmcblk0p2,");
    expect(logOf(tell({ disk: { name: "sdaa" } })).join("\n")).toContain("device data is /dev/sdaa1,");
  });

  test("ends when it never appears, and says which disks there are", () => {
    const boot = tell({
      disk: { content: NO_GPT },
      hardware: ({ blockDevices, clock }) => {
        blockDevices.addDisk({ name: "sda", content: IMAGE.disk.slice(0, 4096) });
        clock.schedule(2000, () => blockDevices.addDisk({ name: "sdb", content: NO_GPT }));
      },
    });
    expect(boot.end).toEqual({ kind: "reboot" });
    expect(failureOf(boot)).toEqual({
      line: 5,
      verb: "device",
      message: `no partition with PARTUUID ${IMAGE.dataGuid} after 10 s; disks seen: sda (its table has it, but the kernel does not show it), vda (no GPT), sdb (no GPT)`,
    });
    const failed = boot.kernel.log.records.find(({ text }) => text.includes("FAILED"))?.at ?? 0;
    expect(failed / NANOSECONDS_IN_MS - 1000).toBeGreaterThan(10_000);
    expect(failed / NANOSECONDS_IN_MS - 1000).toBeLessThan(10_600);
    expectPolicy(boot, 5000);
  });

  test("says so when there are no disks at all", () => {
    const boot = tell({ hasDisk: false });
    expect(failureOf(boot).message).toMatch(/disks seen: none$/);
  });

  test.each([
    [" timeout=1s", 1],
    [" timeout=0s", 0],
    ["", 10],
    [" timeout=soon", 10],
  ])("for as long as the plan says:%s", (option, seconds) => {
    const plan = planFor(IMAGE).map((line) => line.replace(" timeout=10s", option));
    const boot = tell({ plan, hasDisk: false });
    expect(failureOf(boot).message).toContain(`after ${seconds} s;`);
    expect(Math.floor((boot.durationMs - 5000) / 1000)).toBe(seconds);
  });

  test.each([
    "",
    " partuuid=",
    " partuuid=84f9dee9-bdf3-c1cf-692b-e00bd1368c9g",
    " partuuid=84f9dee9bdf3c1cf692be00bd1368c91",
    " partuuid=84f9dee9-bdf3-c1cf-692b-e00bd1368c91,",
    " partuuid=84f9dee9-bdf3-c1cf-692b-e00bd1368c91,84f9dee9",
    " partuuid=84f9dee9-bdf3-c1cf-692b-e00bd1368c91;84f9dee9-bdf3-c1cf-692b-e00bd1368c92",
  ])("does not begin without a valid partuuid:%s", (option) => {
    const boot = tell({ plan: planWith("device", `device data${option}`) });
    expect(failureOf(boot).message).toMatch(/^the plan names no device, or not as it must: partuuid=, /);
  });

  test("takes the partition that has one of several partuuids", () => {
    const other = "84f9dee9-bdf3-c1cf-692b-e00bd1368c91";
    const among = (...around: readonly [string, string]) =>
      planFor(IMAGE).map((line) => line.replace(/(partuuid=)(\S+)/, `$1${around[0]}$2${around[1]}`));
    expect(tell({ plan: among(`${other},`, "") }).end.kind).toBe("exec");
    expect(tell({ plan: among("", `,${other}`) }).end.kind).toBe("exec");
    const others = planFor(IMAGE).map((line) => line.replace(/partuuid=\S+/, `partuuid=${other},${other}`));
    expect(failureOf(tell({ plan: others })).message).toMatch(`no partition with PARTUUID ${other},${other} after`);
  });

  test("takes a partuuid in capitals", () => {
    const plan = planFor(IMAGE).map((line) =>
      line.replace(/partuuid=\S+/, (word) => `partuuid=${word.slice(9).toUpperCase()}`),
    );
    expect(tell({ plan }).end.kind).toBe("exec");
  });
});

describe("modules", () => {
  test("that the first stage does not carry end the boot", () => {
    const boot = tell({ missing: ["erofs"] });
    expect(boot.end).toEqual({ kind: "reboot" });
    expect(failureOf(boot)).toEqual({
      line: 3,
      verb: "modules",
      message: "cannot open the module /lazyrd/modules/erofs.ko: no such file or directory (ENOENT)",
    });
  });

  test("that the kernel refuses end the boot", () => {
    const boot = tell({ modules: { erofs: { refusal: "ENOKEY" } } });
    expect(failureOf(boot)).toMatchObject({ line: 3, verb: "modules" });
    expect(failureOf(boot).message).toBe("the kernel refused the module erofs: required key not available (ENOKEY)");
  });

  test("in the wrong order end the boot", () => {
    const boot = tell({ plan: planWith("modules", "modules erofs libcrc32c crc32c_generic") });
    expect(failureOf(boot).message).toContain("the kernel refused the module erofs: ");
  });

  test("that are there already are fine", () => {
    const boot = tell({
      hardware: (kernel) => {
        kernel.fileSystems.register("overlay");
        kernel.modules.loaded.push("overlay");
      },
    });
    expect(boot.end.kind).toBe("exec");
  });

  test("are not loaded twice, however often a plan names them", () => {
    const [modules = ""] = planFor(IMAGE).filter((line) => line.startsWith("modules "));
    const boot = tell({ plan: planWith("modules", modules, modules) });
    expect(boot.end.kind).toBe("exec");
    expect(boot.calls.filter(({ name }) => name === "finit_module").length).toBe(12);
  });

  test("of try-modules may find no use for themselves, but must not fail otherwise", () => {
    const story = (refusal: "ENODEV" | "ENOKEY"): Story => ({
      plan: planWith("coldplug", "try-modules aesni-intel", "coldplug pci virtio"),
      modules: { "aesni-intel": { refusal } },
    });
    expect(tell(story("ENODEV")).end.kind).toBe("exec");
    expect(failureOf(tell(story("ENOKEY")))).toMatchObject({ line: 4, verb: "try-modules" });
  });
});

describe("coldplug", () => {
  const OTHER = { bus: "pci", name: "0000:00:01.0", modalias: "pci:v00008086d00001234sv0sd0bc01sc06i01" };

  test("reports a driver that is refused, once, and goes on", () => {
    const boot = tell({
      drivers: ["pci:v00008086d* ahci", ...DRIVERS],
      modules: { ahci: { refusal: "ENOKEY" } },
      disk: { partitionsAfterMs: 3000 },
      hardware: ({ buses }) => buses.addDevice(OTHER),
    });
    expect(boot.end.kind).toBe("exec");
    const reports = logOf(boot).filter((line) => line.includes("ahci"));
    expect(reports).toEqual(["the kernel refused the module ahci: required key not available (ENOKEY)"]);
  });

  test("reports a driver that is missing, and the wait for the disk says what came of it", () => {
    const boot = tell({ missing: ["virtio_blk"] });
    expect(textOf(boot)).toContain("cannot open the module /lazyrd/modules/virtio_blk.ko");
    expect(failureOf(boot)).toMatchObject({ line: 5, verb: "device" });
  });

  test("goes on without a module that its driver can do without, and says so", () => {
    const story = (refusal: "ENODEV" | "ENOKEY"): Story => ({
      drivers: DRIVERS.map((line) => line.replace(" ", " ?faster ")),
      modules: { faster: { refusal } },
    });
    for (const refusal of ["ENODEV", "ENOKEY"] as const) {
      const boot = tell(story(refusal));
      expect(boot.end.kind).toBe("exec");
      expect(boot.kernel.modules.loaded).toEqual(expect.arrayContaining(["virtio_pci", "virtio_blk"]));
      expect(textOf(boot).includes("refused the module faster")).toBe(refusal === "ENOKEY");
    }
  });

  test("ends a driver at a module that it needs", () => {
    const boot = tell({
      drivers: ["pci:v00001AF4d* ?faster needed other", ...DRIVERS],
      modules: { faster: {}, needed: { refusal: "ENOKEY" }, other: {} },
    });
    expect(boot.end.kind).toBe("exec");
    expect(boot.kernel.modules.loaded).toContain("faster");
    expect(boot.kernel.modules.loaded).not.toContain("other");
  });

  test("loads nothing that no device asks for", () => {
    const boot = tell({ drivers: [...DRIVERS, "pci:v000010DE* gpu"], modules: { gpu: {} } });
    expect(boot.end.kind).toBe("exec");
    expect(boot.kernel.modules.loaded).not.toContain("gpu");
  });

  test("loads drivers in the order of the table, and none any more when the disk is there", () => {
    const boot = tell({
      drivers: ["test:fast probe", ...DRIVERS, "test:slow ahci"],
      modules: { probe: {}, ahci: {} },
      plan: planWith("coldplug", "coldplug test pci virtio"),
      hardware: ({ buses }) => {
        buses.addDevice({ bus: "test", name: "1", modalias: "test:slow" });
        buses.addDevice({ bus: "test", name: "2", modalias: "test:fast" });
      },
    });
    expect(boot.end.kind).toBe("exec");
    expect(boot.kernel.modules.loaded.slice(-4)).toEqual(["probe", "virtio_ring", "virtio_pci", "virtio_blk"]);
  });

  test("sees a device that took the place of another while it waited", () => {
    const boot = tell({
      hasDisk: false,
      plan: planWith("coldplug", "coldplug virtio"),
      hardware: ({ buses, clock }) => {
        buses.addDevice({ bus: "virtio", name: "virtio0", modalias: "virtio:d00000001v00001AF4" });
        clock.schedule(300, () => {
          buses.removeDevice("virtio", "virtio0");
          buses.addDevice({ bus: "virtio", name: "virtio1", modalias: "virtio:d00000002v00001AF4" });
        });
      },
    });
    expect(boot.end.kind).toBe("exec");
  });

  test("passes over buses that are not there and devices without a modalias", () => {
    const boot = tell({
      plan: planWith("coldplug", "coldplug usb pci virtio"),
      hardware: ({ buses }) => buses.addDevice({ bus: "pci", name: "0000:00:00.0" }),
    });
    expect(boot.end.kind).toBe("exec");
  });

  test("finds drivers on a bus that it looked at too early when it waits", () => {
    const boot = tell({ plan: planWith("coldplug", "coldplug virtio pci") });
    expect(boot.end.kind).toBe("exec");
    expect(boot.durationMs).toBeLessThan(1000);
  });

  test.each(["", "  \n\n", "pattern-without-module\n"])("does nothing with a table of drivers like %j", (table) => {
    const boot = tell({ drivers: table === "" ? [] : [table, ...DRIVERS] });
    expect(boot.end.kind).toBe(table === "" ? "reboot" : "exec");
  });

  test("reads a table whose last line has no end", () => {
    const table = DRIVERS.join("\n");
    const boot = tell({ append: (tree) => tree.set("lazyrd/drivers", regularFile(Buffer.from(table))) });
    expect(boot.end.kind).toBe("exec");
  });

  test("ends the boot when the table cannot be read", () => {
    const boot = tell({ append: (tree) => tree.remove("lazyrd/drivers") });
    expect(failureOf(boot)).toMatchObject({ line: 4, verb: "coldplug" });
  });
});

describe("patterns of drivers", () => {
  const NVME = "pci:v0000144Dd0000A808sv0000144Dsd0000A801bc01sc08i02";
  const AHCI = "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01";
  const USB = "usb:v0781p5581d0100dc00dsc00dp00ic08isc06ip50in00";
  const ACPI = "acpi:LNRO0005:";

  test.each<[string, string, boolean]>([
    ["pci:v*d*sv*sd*bc01sc08i02*", NVME, true],
    ["pci:v*d*sv*sd*bc01sc06i01*", NVME, false],
    ["pci:v*d*sv*sd*bc01sc06i01*", AHCI, true],
    ["pci:v00008086d00002922sv*sd*bc*sc*i*", AHCI, true],
    ["pci:v00008086d00002923sv*sd*bc*sc*i*", AHCI, false],
    ["usb:v*p*d*dc*dsc*dp*ic08isc06ip50in*", USB, true],
    ["usb:v*p*d*dc*dsc*dp*ic08isc06ip62in*", USB, false],
    ["usb:v0781p5581d0[0-1]*dc*dsc*dp*ic*isc*ip*in*", USB, true],
    ["usb:v0781p5581d0[2-9]*dc*dsc*dp*ic*isc*ip*in*", USB, false],
    ["usb:v0781p558[13]d*", USB, true],
    ["usb:v0781p558[24]d*", USB, false],
    ["acpi*:LNRO0005:*", ACPI, true],
    ["acpi*:QEMU0002:*", ACPI, false],
    ["virtio:d00000002v*", "virtio:d00000002v00001AF4", true],
    ["virtio:d00000002v*", "virtio:d00000008v00001AF4", false],
    ["*", "anything", true],
    ["**", "anything", true],
    ["a", "a", true],
    ["a", "aa", false],
    ["aa", "a", false],
    ["a?c", "abc", true],
    ["a?c", "ac", false],
    ["?", "a", true],
    ["*a", "banana", true],
    ["*an", "banana", false],
    ["b*n*a", "banana", true],
    ["*ana*", "banana", true],
    ["a*b*c*d", "aXbXcXbXcXd", true],
    ["a*b*c*d", "aXbXcXbXcX", false],
    ["[a-c]", "b", true],
    ["[a-c]", "d", false],
    ["[ab-]", "-", true],
    ["x[0-9A-F]", "xB", true],
    ["x[0-9A-F]", "xG", false],
    ["x[12", "x1", false],
    ["abc*", "abc", true],
    ["abc", "ab", false],
  ])("%s and %s: %s", (pattern, modalias, expected) => {
    const boot = tell({
      drivers: [`${pattern} probe`, ...DRIVERS],
      modules: { probe: {} },
      plan: ["coldplug test", NO_DISK],
      hardware: ({ buses }) => buses.addDevice({ bus: "test", name: "device", modalias }),
    });
    expect(boot.kernel.modules.loaded).toEqual(
      expected ? expect.arrayContaining(["probe"]) : expect.not.arrayContaining(["probe"]),
    );
  });

  test("that try hard to be slow are decided in time", () => {
    const boot = tell({
      drivers: [`${"*a".repeat(300)}b probe`],
      modules: { probe: {} },
      plan: ["coldplug test", NO_DISK],
      hardware: ({ buses }) => buses.addDevice({ bus: "test", name: "device", modalias: "a".repeat(3000) }),
    });
    expect(boot.kernel.modules.loaded).toEqual([]);
  });
});

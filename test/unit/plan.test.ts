import { describe, expect, test } from "vitest";
import { UsageError } from "../../src/bytes/index.ts";
import {
  busOfAlias,
  compilePlan,
  describeExplanation,
  encodeDrivers,
  encodePlan,
  explainPlan,
  layoutOf,
  layoutWarnings,
  modulesOf,
  type NextStage,
  NO_SETTINGS,
  type PlanOptions,
  type PlanStep,
  parsePlan,
  selectModules,
  withMeasurements,
} from "../../src/plan/index.ts";
import { SAMPLE_IMAGE, sampleDatabase, sampleOptions } from "../support/plan-samples.ts";

const SYSTEMD: NextStage = { kind: "systemd", init: "/init" };
const SCRIPT: NextStage = { kind: "script", init: "/init" };

async function compile(options: PlanOptions, nextStage: NextStage = SYSTEMD) {
  const selection = selectModules(await sampleDatabase(), nextStage, options);
  return { selection, plan: compilePlan(selection, modulesOf(selection), SAMPLE_IMAGE, nextStage, options) };
}

const stepsOf = async (options: PlanOptions, nextStage: NextStage = SYSTEMD): Promise<string[]> =>
  encodePlan((await compile(options, nextStage)).plan)
    .trimEnd()
    .split("\n");

const ROOT_HASH = SAMPLE_IMAGE.rootHash;
const SALT = SAMPLE_IMAGE.salt;

describe("the plan", () => {
  test("for an initrd with systemd", async () => {
    expect(await stepsOf(sampleOptions(["virtio_blk", "sd_mod"]))).toEqual([
      "lazyrd-plan 1",
      "failure reboot after=20s",
      "try-modules sha256_ssse3",
      "modules crc32c_generic libcrc32c erofs dm_mod",
      "try-modules soft",
      "modules dm_bufio dm_verity",
      "coldplug virtio scsi",
      "device data partuuid=00112233-4455-6677-8899-aabbccddeeff timeout=30s",
      "device hash partuuid=01234567-89ab-cdef-0123-456789abcdef timeout=30s",
      `verity root data=data hash=hash data-blocks=1234 hash-start=1 root-hash=${ROOT_HASH} salt=${SALT} on-corruption=panic read-ahead=64`,
      "mount root /lazyrd/image erofs",
      "overlay /lazyrd/new lower=/lazyrd/image",
      "forward /lazyrd/new",
      "switch /lazyrd/new /init",
    ]);
  });

  test("reads at once what a recorded boot looked up in the image", async () => {
    const options = sampleOptions(["virtio_blk"]);
    const selection = selectModules(await sampleDatabase(), SYSTEMD, options);
    const image = { ...SAMPLE_IMAGE, prefetchBytes: 40 * 4096 };
    const text = encodePlan(compilePlan(selection, modulesOf(selection), image, SYSTEMD, options));
    expect(text).toContain("\nmount root /lazyrd/image erofs prefetch=160\n");
  });

  test("measures each image between opening and mounting it", async () => {
    const options = sampleOptions(["virtio_blk"]);
    const behindVerity = async (measure: PlanOptions["measure"]): Promise<string | undefined> => {
      const steps = await stepsOf({ ...options, measure });
      return steps[steps.findIndex((line) => line.startsWith("verity root ")) + 1];
    };
    expect(await behindVerity({ when: "if-present", pcr: 12 })).toBe("measure root pcr=12");
    expect(await behindVerity({ when: "never", pcr: 12 })).toMatch(/^mount root /);
    // None of the sample's modules drives a TPM.
    await expect(behindVerity({ when: "required", pcr: 12 })).rejects.toThrow(
      /^Cannot measure with this kernel: it has none of the drivers tpm_crb, tpm_tis$/,
    );
  });

  test("measures the name of the candidate with its image", () => {
    const lines = (...texts: string[]): PlanStep[] =>
      texts.map((text) => {
        const [verb = "", ...words] = text.split(" ");
        return { verb: verb as PlanStep["verb"], words, reasons: [] };
      });
    const steps = withMeasurements(
      lines("candidate new", "signed root type=x", "candidate old", "verity root", "end"),
      {
        when: "required",
        pcr: 15,
      },
    );
    expect(steps.flatMap(({ verb, words }) => (verb === "measure" ? [words.join(" ")] : []))).toEqual([
      "text=candidate:new root pcr=15 tpm=required",
      "text=candidate:old root pcr=15 tpm=required",
    ]);
  });

  test("gives scripts a tmpfs, for run-init and switch_root refuse an overlay", async () => {
    expect((await stepsOf(sampleOptions(["virtio_blk"]), SCRIPT)).slice(-5)).toEqual([
      "overlay /lazyrd/overlay lower=/lazyrd/image",
      "mount none /lazyrd/new tmpfs options=mode=0755",
      "graft /lazyrd/overlay /lazyrd/new",
      "forward /lazyrd/new",
      "switch /lazyrd/new /init",
    ]);
  });

  test("follows the settings", async () => {
    const steps = await stepsOf(
      sampleOptions(["virtio_blk"], {
        accelerate: false,
        timeoutSeconds: 5,
        onCorruption: "error",
        onFailure: "poweroff",
        failureDelaySeconds: 1,
        skipNames: ["kernel", "early_cpio"],
      }),
    );
    expect(steps[1]).toBe("failure poweroff after=1s");
    expect(steps.some((step) => step.startsWith("try-modules sha256"))).toBe(false);
    expect(steps.filter((step) => step.startsWith("device")).every((step) => step.endsWith(" timeout=5s"))).toBe(true);
    expect(steps.find((step) => step.startsWith("verity"))).toMatch(/ on-corruption=error /);
    expect(steps).toContain("forward /lazyrd/new skip=kernel,early_cpio");
  });

  test("waits for one of several images as long as it takes, and for the others for a moment", async () => {
    const older = { ...SAMPLE_IMAGE, rootHash: "ab".repeat(32), dataPartition: SAMPLE_IMAGE.hashPartition };
    const { selection, plan: alone } = await compile(sampleOptions(["virtio_blk"]));
    const stepsIn = async (layout: PlanOptions["layout"], given: Partial<PlanOptions> = {}) => {
      const options = sampleOptions(["virtio_blk"], { layout, previous: [older], ...given });
      const lines = encodePlan(compilePlan(selection, alone.modules, SAMPLE_IMAGE, SYSTEMD, options)).split("\n");
      return lines.filter((line) => /^(device|candidate|end)/.test(line));
    };
    const { dataPartition, hashPartition } = SAMPLE_IMAGE;
    const onPartitions = await stepsIn(layoutOf("partition"));
    expect(onPartitions).toEqual([
      `device any partuuid=${dataPartition},${older.dataPartition} timeout=30s`,
      "candidate new",
      `device data partuuid=${dataPartition} timeout=3s`,
      `device hash partuuid=${hashPartition} timeout=3s`,
      "candidate previous",
      `device data partuuid=${older.dataPartition} timeout=3s`,
      `device hash partuuid=${hashPartition} timeout=3s`,
      "end",
    ]);
    expect(await stepsIn(layoutOf("pmem"))).toEqual(onPartitions);

    const location = { ...NO_SETTINGS, device: "LABEL=boot", "file-system": "ext4" };
    const [own, other] = [ROOT_HASH, older.rootHash].map((hash) => `/lazyrd/${hash.slice(0, 16)}.raw`);
    expect(await stepsIn(layoutOf("boot", location), { timeoutSeconds: 2 })).toEqual([
      `device any label=boot holds=${own},${other} type=ext4 options=noload timeout=2s`,
      "candidate new",
      `device place label=boot holds=${own} type=ext4 options=noload timeout=2s`,
      "candidate previous",
      `device place label=boot holds=${other} type=ext4 options=noload timeout=2s`,
      "end",
    ]);

    // Images that are taken because they are signed are known by nothing that could be waited for.
    const signedImages = { signatureType: "x", label: "lazyrd", floor: "" };
    expect((await stepsIn(layoutOf("partition"), { signedImages })).slice(0, 3)).toEqual([
      "candidate new",
      "candidate previous",
      `device data partuuid=${older.dataPartition} timeout=30s`,
    ]);
  });

  test("is warned of where the next stage stays on a file system that the system wants to write to", () => {
    const on = (fileSystem: string) =>
      layoutOf("boot", { ...NO_SETTINGS, device: "LABEL=boot", "file-system": fileSystem });
    expect(layoutWarnings(on("btrfs"), SYSTEMD)).toEqual([]);
    expect(layoutWarnings(on("ext4"), SCRIPT)).toEqual([]);
    expect(layoutWarnings(on("btrfs"), SCRIPT)).toEqual([
      expect.stringMatching(/ and LABEL=boot \(btrfs\) with it: it cannot be mounted writable/),
    ]);
  });

  test("is what parsePlan reads", async () => {
    const { plan } = await compile(sampleOptions(["virtio_blk"]));
    const parsed = parsePlan(encodePlan(plan));
    expect(parsed.map(({ verb, words }) => ({ verb, words }))).toEqual(
      plan.steps.map(({ verb, words }) => ({ verb, words })),
    );
    expect(parsed.map(({ lineNumber }) => lineNumber)).toEqual(plan.steps.map((_, index) => index + 2));
  });
});

describe("the choice of modules", () => {
  test("a driver with hardware aliases waits for the hardware; one without is loaded everywhere", async () => {
    const { selection } = await compile(sampleOptions(["no-hardware", "sd_mod"]));
    expect(selection.required.map(({ name }) => name)).toContain("no_hardware");
    expect(
      selection.drivers.map(({ module, modules, patterns }) => [module.name, modules.map((m) => m.name), patterns]),
    ).toEqual([["sd_mod", ["scsi_mod", "sd_mod"], ["scsi:t-0x00*", "scsi:t-0x0e*"]]]);
  });

  test("the driver of a bus comes before the drivers of what is on the bus", async () => {
    const { selection } = await compile(sampleOptions(["hv_storvsc"]));
    expect(selection.drivers.map(({ module, modules }) => [module.name, modules.map(({ name }) => name)])).toEqual([
      ["hv_vmbus", ["hv_vmbus"]],
      ["hv_storvsc", ["hv_vmbus", "scsi_mod", "hv_storvsc"]],
    ]);
    expect(selection.buses).toEqual(["platform", "vmbus"]);
    expect(selection.drivers[0]?.module.reasons).toEqual([
      "wanted by: storage driver from the list that was given; may bring the devices that hv_storvsc drives",
    ]);
  });

  test("what every machine loads is no driver any more", async () => {
    const { selection } = await compile(sampleOptions(["erofs", "sd_mod", "sd-mod"]));
    expect(selection.drivers.map(({ module }) => module.name)).toEqual(["sd_mod"]);
    expect(selection.required.filter(({ name }) => name === "erofs")).toHaveLength(1);
  });

  test("only code for the processor makes sha256 faster, cards do not", async () => {
    const { selection } = await compile(sampleOptions([]));
    expect(selection.accelerators.map(({ name }) => name)).toEqual(["sha256_ssse3"]);
  });

  test("sets take what is there and say what is not", async () => {
    const { selection } = await compile(sampleOptions([], { drivers: { kind: "set", set: "virtio" } }));
    expect(selection.drivers.map(({ module }) => module.name)).toEqual(["virtio_blk", "sd_mod"]);
    expect(selection.absent.map(({ name }) => name)).toEqual(["virtio_pci", "virtio_mmio", "virtio_scsi"]);
    expect(selection.builtin.map(({ name }) => name)).toEqual(["sha256_generic"]);
  });

  test("the host's devices choose by their modalias", async () => {
    const device = "/sys/devices/pci0000:00/virtio0";
    const devices = [{ modalias: "virtio:d00000002v00001AF4", device }];
    const { selection } = await compile(sampleOptions([], { drivers: { kind: "host", devices } }));
    expect(selection.drivers.map(({ module }) => module.name)).toEqual(["virtio_blk"]);
    expect(selection.drivers[0]?.module.reasons[0]).toContain(device);
  });

  test("what systemd loads before anything else comes along, as its hardware does", async () => {
    const database = await sampleDatabase({
      "kernel/fs/autofs/autofs4.ko": {},
      "kernel/drivers/firmware/qemu_fw_cfg.ko": { aliases: ["acpi*:QEMU0002:*"] },
    });
    const choose = (nextStage: NextStage, preload: boolean) => {
      const { required, drivers } = selectModules(database, nextStage, sampleOptions(["sd_mod"], { preload }));
      return { required: required.map(({ name }) => name), drivers: drivers.map(({ module }) => module.name) };
    };
    const systemd = choose(SYSTEMD, true);
    expect(systemd.required.at(-1)).toBe("autofs4");
    expect(systemd.drivers).toEqual(["qemu_fw_cfg", "sd_mod"]);
    for (const other of [choose(SCRIPT, true), choose(SYSTEMD, false)]) {
      expect(other.required).not.toContain("autofs4");
      expect(other.drivers).toEqual(["sd_mod"]);
    }
  });

  test("a driver that was asked for by name must be there", async () => {
    const database = await sampleDatabase();
    expect(() => selectModules(database, SYSTEMD, sampleOptions(["nvme"]))).toThrow(UsageError);
    expect(() => selectModules(database, SYSTEMD, sampleOptions(["nvme"]))).toThrow(/Cannot find in kernel .*nvme/);
  });

  test("each module has one file, in an order in which it can be loaded", async () => {
    const { plan } = await compile(sampleOptions(["virtio_blk", "sd_mod", "hv_storvsc"]));
    const names = plan.modules.map(({ name }) => name);
    expect(names).toEqual([
      ...["sha256_ssse3", "crc32c_generic", "libcrc32c", "erofs", "dm_mod", "soft", "dm_bufio", "dm_verity"],
      ...["virtio", "virtio_blk", "scsi_mod", "sd_mod", "hv_vmbus", "hv_storvsc"],
    ]);
    expect(plan.modules.find(({ name }) => name === "scsi_mod")?.reasons).toEqual([
      "wanted by: storage driver from the list that was given",
      "sd_mod needs scsi_mod",
    ]);
  });
});

describe("drivers", () => {
  test("are a line for each pattern, in words that the first stage knows", async () => {
    const { plan } = await compile(sampleOptions(["sd_mod", "odd"]));
    expect(encodeDrivers(plan.drivers)).toBe(
      [
        "scsi:t[-_]0x00* scsi_mod sd_mod",
        "scsi:t[-_]0x0e* scsi_mod sd_mod",
        "platform:Fixed?bus odd",
        "acpi*:??x[-_]y:* odd",
        "",
      ].join("\n"),
    );
  });

  test("say which modules they can do without, and no more than these", async () => {
    const database = await sampleDatabase({
      "kernel/drivers/block/host.ko": {
        needs: "kernel/drivers/scsi/scsi_mod.ko",
        aliases: ["pci:v1*"],
        asksFor: "no-hardware odd",
      },
    });
    const { drivers } = selectModules(database, SYSTEMD, sampleOptions(["host"]));
    expect(encodeDrivers(drivers)).toBe("pci:v1* scsi_mod ?no_hardware ?odd host\n");
  });
});

describe("buses", () => {
  test.each([
    ["pci:v00008086d*sv*sd*bc01sc06i01*", "pci"],
    ["usb:v*p*d*dc*dsc*dp*ic08isc06ip50in*", "usb"],
    ["virtio:d00000002v*", "virtio"],
    ["scsi:t-0x00*", "scsi"],
    ["mmc:block", "mmc"],
    ["sdio:c*v02D0d4329*", "sdio"],
    ["vmbus:d96361baa104294db60572e2ffb1dc7f", "vmbus"],
    ["xen:vbd", "xen"],
    ["nd:t2*", "nd"],
    ["platform:sdhci-pxav3", "platform"],
    ["acpi*:PNP0D40:*", "platform"],
    ["acpi:LNRO0005:", "platform"],
    ["of:N*T*Cvirtio,mmioC*", "platform"],
  ])("%s is on %s", (pattern, bus) => {
    expect(busOfAlias(pattern)).toBe(bus);
  });

  test.each([
    "fs-erofs",
    "crypto-sha256",
    "block-major-8-*",
    "xen-backend:vbd",
    "vfio_pci:v00008086d*",
    "pci_express:x",
    "pcieport:x",
    "cpu:type:x86,ven*fam*mod*:feature:*0089*",
    "dmi*:svnPCI:*",
    ":pci:",
    "PCI:v*",
    "pci",
    "",
  ])("%j is not about a device that coldplug could find", (pattern) => {
    expect(busOfAlias(pattern)).toBeUndefined();
  });
});

describe("the explanation", () => {
  test("has a reason for each step and each module", async () => {
    const { plan, selection } = await compile(sampleOptions(["virtio_blk", "hv_storvsc"]), SCRIPT);
    const explanation = explainPlan(plan, selection, new Map());
    const everything = [...explanation.steps, ...explanation.modules, ...explanation.builtin, ...explanation.absent];
    expect(everything.filter(({ reasons }) => reasons.length === 0 || reasons.includes(""))).toEqual([]);
    expect(explanation.modules.map(({ name }) => name)).toEqual(plan.modules.map(({ name }) => name));
    expect(explanation.steps.map(({ line }) => line)).toEqual(encodePlan(plan).trimEnd().split("\n").slice(1));
  });

  test("as text", async () => {
    const drivers = { kind: "set", set: "generic" } as const;
    const { plan, selection } = await compile(sampleOptions([], { drivers }), SCRIPT);
    const sizes = new Map(plan.modules.map(({ name }, index) => [name, index * 5000]));
    const text = describeExplanation(explainPlan(plan, selection, sizes));
    await expect(text).toMatchFileSnapshot("../golden/plan-explanation.txt");
  });
});

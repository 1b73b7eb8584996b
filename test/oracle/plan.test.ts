import { readFileSync, statSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { encodeFirstStage, firstStageTree } from "../../src/build/first-stage.ts";
import { readModule } from "../../src/build/sources.ts";
import { hostFolder, packageFile } from "../../src/host/index.ts";
import { type DriverSetName, parseModuleDatabase } from "../../src/kernel/index.ts";
import {
  busOfAlias,
  compilePlan,
  encodeDrivers,
  encodePlan,
  explainPlan,
  modulesOf,
  parsePlan,
  selectModules,
} from "../../src/plan/index.ts";
import { isFirstStagePattern, matchesInFirstStage } from "../support/first-stage-patterns.ts";
import { type KernelFlavour, kernelFixture } from "../support/fixtures.ts";
import { SAMPLE_IMAGE, sampleOptions } from "../support/plan-samples.ts";

const FLAVOURS: readonly KernelFlavour[] = ["6.1-amd64", "6.1-cloud-amd64", "6.12-amd64"];
const SETS: readonly DriverSetName[] = ["virtio", "generic"];

const KIB = 1024;
/** What the project promises of its first stage (dist/first-stage/init-x86_64 and the whole archive, compressed). */
const MAX_PROGRAM_BYTES = 96 * KIB;
/** For boots over the network only: DHCP, DNS, HTTP and what they stand on. */
const MAX_NETWORK_PROGRAM_BYTES = 128 * KIB;
const MAX_ARCHIVE_BYTES: Readonly<Record<DriverSetName, number>> = { virtio: 1024 * KIB, generic: 5 * 1024 * KIB };

const VIRTIO_LINES: Readonly<Record<string, readonly string[]>> = {
  "6.1-amd64": [
    "try-modules sha256_ssse3",
    "modules crc32c_generic libcrc32c erofs dm_mod reed_solomon dm_bufio dm_verity overlay",
    "try-modules autofs4",
    "coldplug platform virtio pci scsi",
    "qemu_fw_cfg: qemu_fw_cfg",
    "virtio_rng: virtio_ring virtio virtio_rng",
    "virtio_console: virtio_ring virtio virtio_console",
    "virtio_pci: virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci",
    "virtio_mmio: virtio_ring virtio virtio_mmio",
    "virtio_blk: virtio_ring virtio virtio_blk",
    "virtio_scsi: virtio_ring virtio scsi_common scsi_mod virtio_scsi",
    "sd_mod: crct10dif_common crc64 crct10dif_generic crc_t10dif scsi_common scsi_mod crc64_rocksoft t10_pi sd_mod",
  ],
  "6.1-cloud-amd64": [
    "try-modules sha256_ssse3",
    "modules libcrc32c erofs dm_mod reed_solomon dm_bufio dm_verity overlay",
    "try-modules autofs4",
    "coldplug platform virtio pci scsi",
    "qemu_fw_cfg: qemu_fw_cfg",
    "virtio_rng: virtio_ring virtio virtio_rng",
    "virtio_console: virtio_ring virtio virtio_console",
    "virtio_pci: virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci",
    "virtio_mmio: virtio_ring virtio virtio_mmio",
    "virtio_blk: virtio_ring virtio virtio_blk",
    "virtio_scsi: virtio_ring virtio scsi_common scsi_mod virtio_scsi",
    "sd_mod: scsi_common scsi_mod sd_mod",
  ],
  "6.12-amd64": [
    "try-modules sha256_ssse3",
    "modules crc32c_generic libcrc32c erofs dm_mod reed_solomon dm_bufio dm_verity overlay",
    "try-modules autofs4",
    "coldplug platform virtio scsi",
    "qemu_fw_cfg: qemu_fw_cfg",
    "virtio_rng: virtio_rng",
    "virtio_mmio: virtio_mmio",
    "virtio_blk: virtio_blk",
    "virtio_scsi: scsi_common scsi_mod virtio_scsi",
    "sd_mod: scsi_common scsi_mod sd_mod",
  ],
};

/** Aliases of the generic set's drivers that name no device: device numbers, and names that people type. */
const NO_HARDWARE = /^(?:block-major-\d+-\*|xenblk|mpt2sas|cciss)$/;

/** What these machines show of a disk and of what it hangs on, in the order in which it appears. */
const MACHINES = {
  "an NVMe disk": ["pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02"],
  "a SATA disk of an Intel chipset": ["pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", "scsi:t-0x00"],
  "a USB stick": [
    "pci:v00001B36d0000000Dsv00001AF4sd00001100bc0Csc03i30",
    "usb:v46F4p0001d0000dc00dsc00dp00ic08isc06ip50in00",
  ],
  "VMware with an LSI controller": ["pci:v00001000d00000030sv000015ADsd00001976bc01sc00i00", "scsi:t-0x00"],
  "Hyper-V": ["acpi:VMBUS:", "vmbus:d96361baa104294db60572e2ffb1dc7f", "scsi:t-0x00"],
  "virtio-blk on PCI": ["pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00", "virtio:d00000002v00001AF4"],
} as const;

describe("the first stage's program", () => {
  test("is small", () => {
    const sizeOf = (name: string) => statSync(packageFile(`dist/first-stage/${name}`)).size;
    expect(sizeOf("init-x86_64")).toBeLessThanOrEqual(MAX_PROGRAM_BYTES);
    expect(sizeOf("init-network-x86_64")).toBeLessThanOrEqual(MAX_NETWORK_PROGRAM_BYTES);
  });
});

const AS_THEY_ARE = { signatures: "keep", symbols: "auto" } as const;

describe.each(FLAVOURS)("kernel %s", (flavour) => {
  const open = async () => {
    const { release, modules } = kernelFixture(flavour);
    const tree = hostFolder(modules);
    return { path: modules, tree, database: await parseModuleDatabase(tree, { release }) };
  };
  const compile = async (set: DriverSetName) => {
    const source = await open();
    const options = sampleOptions([], { drivers: { kind: "set", set }, preload: true });
    const selection = selectModules(source.database, { kind: "systemd", init: "/init" }, options);
    const modules = modulesOf(selection);
    const plan = compilePlan(selection, modules, SAMPLE_IMAGE, { kind: "systemd", init: "/init" }, options);
    return { source, selection, plan };
  };

  test("loads exactly this for virtio", async () => {
    const { plan } = await compile("virtio");
    const loading = encodePlan(plan)
      .split("\n")
      .filter((line) => /^(?:try-)?modules |^coldplug /.test(line));
    const drivers = plan.drivers.map(
      ({ module, modules }) => `${module.name}: ${modules.map(({ name }) => name).join(" ")}`,
    );
    expect([...loading, ...drivers]).toEqual(VIRTIO_LINES[flavour]);
  });

  test.each(SETS)("%s: names each module once, and all that a module needs stands before it", async (set) => {
    const { source, plan } = await compile(set);
    const names = plan.modules.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const always = parsePlan(encodePlan(plan)).flatMap(({ verb, words }) => (/modules$/.test(verb) ? words : []));
    const orders = [always, ...plan.drivers.map(({ modules }) => [...always, ...modules.map(({ name }) => name)])];
    for (const order of orders) {
      for (const [index, name] of order.entries()) {
        const missing = source.database.dependencies(name).filter((needed) => !order.slice(0, index).includes(needed));
        expect(missing, `${name} of ${order.join(" ")}`).toEqual([]);
        expect(names).toContain(name);
      }
    }
  });

  test.each(SETS)("%s: every step and every module has a reason", async (set) => {
    const { plan, selection } = await compile(set);
    const { steps, modules, builtin, absent } = explainPlan(plan, selection, new Map());
    for (const { reasons } of [...steps, ...modules, ...builtin, ...absent]) {
      expect(reasons.length).toBeGreaterThan(0);
      expect(reasons.every((reason) => reason !== "")).toBe(true);
    }
  });

  test.each(SETS)(
    "%s: patterns are in the first stage's language, and match what the kernel's own match",
    async (set) => {
      const { source, plan } = await compile(set);
      const lines = encodeDrivers(plan.drivers).trimEnd().split("\n");
      const patterns = lines.map((line) => line.split(" ", 1)[0] ?? "");
      expect(patterns.filter((pattern) => !isFirstStagePattern(pattern))).toEqual([]);
      for (const modalias of Object.values(MACHINES).flat()) {
        const theirs = source.database.resolveAlias(modalias);
        const ours = plan.drivers.filter(({ module }) => theirs.includes(module.name)).map(({ module }) => module.name);
        const matching = lines.filter((line) => matchesInFirstStage(line.split(" ", 1)[0] ?? "", modalias));
        expect([...new Set(matching.map((line) => line.split(" ").at(-1)))], modalias).toEqual(ours);
      }
    },
  );

  test("generic: every alias of its drivers names a device on a known bus, or no device", async () => {
    const { source, plan } = await compile("generic");
    const aliases = plan.drivers.flatMap(({ module }) => source.database.aliasesOf(module.name));
    expect(aliases.filter((alias) => busOfAlias(alias) === undefined && !NO_HARDWARE.test(alias))).toEqual([]);
    expect(plan.drivers.every(({ patterns }) => patterns.length > 0)).toBe(true);
  });

  test.each(Object.entries(MACHINES))(
    "generic: reaches %s where the kernel has drivers for it",
    async (_, modaliases) => {
      const { source, plan } = await compile("generic");
      for (const modalias of modaliases) {
        const available = source.database.resolveAlias(modalias).filter((name) => source.database.has(name));
        const matching = plan.drivers.filter(({ module }) => available.includes(module.name));
        if (available.length > 0) expect(matching, modalias).not.toEqual([]);
      }
    },
  );

  test.each(SETS)("%s: the whole first stage keeps its promise of size", async (set) => {
    const { source, plan } = await compile(set);
    const program = readFileSync(packageFile("dist/first-stage/init-x86_64"));
    const files = await Promise.all(plan.modules.map(({ path, name }) => readModule(source, path, name, AS_THEY_ARE)));
    const kept = { early: new Uint8Array(), bootconfig: undefined };
    const archive = await encodeFirstStage(firstStageTree(program, plan, files), kept, "zstd");
    expect(archive.length).toBeLessThanOrEqual(MAX_ARCHIVE_BYTES[set]);
    console.info(`${flavour} ${set}: ${Math.ceil(archive.length / KIB)} KiB, ${files.length} modules`);
  });
});

test("generic has the driver without which older VMware machines restart for ever", async () => {
  const { release, modules } = kernelFixture("6.12-amd64");
  const database = await parseModuleDatabase(hostFolder(modules), { release });
  const options = sampleOptions([], { drivers: { kind: "set", set: "generic" } });
  const { drivers } = selectModules(database, { kind: "systemd", init: "/init" }, options);
  expect(drivers.map(({ module }) => module.name)).toContain("mptspi");
});

import { type ModuleDatabase, parseModuleDatabase } from "../../src/kernel/index.ts";
import { type ImageFacts, layoutOf, type PlanOptions } from "../../src/plan/index.ts";
import { sampleModules } from "./kernel-samples.ts";

interface SampleModule {
  readonly needs?: string;
  readonly aliases?: readonly string[];
  /** Softly, before it. */
  readonly asksFor?: string;
}

/** A kernel in which each kind of module that a plan knows occurs once. */
const MODULES: Readonly<Record<string, SampleModule>> = {
  "kernel/arch/x86/crypto/sha256-ssse3.ko": { aliases: ["cpu:type:x86,ven*fam*mod*:feature:*0089*", "crypto-sha256"] },
  "kernel/drivers/crypto/fancy-card.ko": { aliases: ["pci:v00001234d*", "crypto-sha256"] },
  "kernel/crypto/crc32c_generic.ko": { aliases: ["crypto-crc32c", "crc32c"] },
  "kernel/fs/erofs/erofs.ko": { needs: "kernel/lib/libcrc32c.ko", aliases: ["fs-erofs"] },
  "kernel/lib/libcrc32c.ko": {},
  "kernel/drivers/md/dm-mod.ko": { aliases: ["devname:mapper/control", "char-major-10-236"] },
  "kernel/drivers/md/dm-bufio.ko": { needs: "kernel/drivers/md/dm-mod.ko", asksFor: "soft" },
  "kernel/drivers/md/dm-verity.ko": { needs: "kernel/drivers/md/dm-bufio.ko kernel/drivers/md/dm-mod.ko" },
  "kernel/drivers/block/virtio_blk.ko": { needs: "kernel/drivers/virtio/virtio.ko", aliases: ["virtio:d00000002v*"] },
  "kernel/drivers/virtio/virtio.ko": {},
  "kernel/drivers/scsi/scsi_mod.ko": {},
  "kernel/drivers/scsi/sd_mod.ko": {
    needs: "kernel/drivers/scsi/scsi_mod.ko",
    aliases: ["scsi:t-0x00*", "scsi:t-0x0e*", "block-major-8-*"],
  },
  "kernel/drivers/hv/hv_vmbus.ko": { aliases: ["acpi*:VMBUS:*"] },
  "kernel/drivers/scsi/hv_storvsc.ko": {
    needs: "kernel/drivers/scsi/scsi_mod.ko kernel/drivers/hv/hv_vmbus.ko",
    aliases: ["vmbus:d96361baa104294db60572e2ffb1dc7f"],
  },
  "kernel/drivers/misc/no-hardware.ko": {},
  "kernel/drivers/misc/soft.ko": {},
  "kernel/drivers/misc/odd.ko": { aliases: ["platform:Fixed bus", "acpi*:[!A]\\*x-y:*"] },
};

function filesOf(modules: Readonly<Record<string, SampleModule>>): Record<string, string> {
  const all = Object.entries(modules).map(([path, module]) => ({
    path,
    name: path.replace(/.*\/|\.ko/g, ""),
    ...module,
  }));
  return {
    "modules.dep": all.map(({ path, needs = "" }) => `${path}: ${needs}\n`).join(""),
    "modules.alias": all
      .flatMap(({ name, aliases = [] }) => aliases.map((alias) => `alias ${alias} ${name}\n`))
      .join(""),
    "modules.softdep": all
      .map(({ name, asksFor }) => (asksFor === undefined ? "" : `softdep ${name} pre: ${asksFor}\n`))
      .join(""),
    "modules.builtin": "kernel/fs/overlayfs/overlay.ko\nkernel/crypto/sha256_generic.ko\n",
    "modules.builtin.modinfo": "sha256_generic.alias=crypto-sha256\0sha256_generic.file=crypto/sha256_generic\0",
    ...Object.fromEntries(all.map(({ path }) => [path, ""])),
  };
}

/** @param more modules that it has besides its own */
export function sampleDatabase(more: Readonly<Record<string, SampleModule>> = {}): Promise<ModuleDatabase> {
  return parseModuleDatabase(sampleModules(filesOf({ ...MODULES, ...more })));
}

const ROOT_HASH = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";

export const SAMPLE_IMAGE: ImageFacts = {
  rootHash: ROOT_HASH,
  dataPartition: "00112233-4455-6677-8899-aabbccddeeff",
  hashPartition: "01234567-89ab-cdef-0123-456789abcdef",
  dataOffsetBytes: 20480,
  hashOffsetBytes: 20480 + 1234 * 4096,
  sizeBytes: 5_148_672,
  salt: "5a".repeat(32),
  dataBlocks: 1234,
  hashStartBlock: 1,
};

export function sampleOptions(drivers: readonly string[], options: Partial<PlanOptions> = {}): PlanOptions {
  return {
    layout: layoutOf("partition"),
    drivers: { kind: "list", names: drivers },
    accelerate: true,
    preload: false,
    timeoutSeconds: 30,
    onCorruption: "panic",
    onFailure: "reboot",
    failureDelaySeconds: 20,
    skipNames: [],
    previous: [],
    ...options,
  };
}

import type { Disk } from "./block-devices.ts";
import type { SimulatedKernel } from "./kernel.ts";
import { DEVICE_NUMBERS } from "./layout.ts";
import type { SimulatedModule } from "./modules.ts";

type Modules = Readonly<Record<string, SimulatedModule<SimulatedKernel>>>;

/** What a Debian kernel has as modules: file systems, device mapper, and the way to a virtio disk, which is `disk`. */
export function standardModules(disk?: Disk): Modules {
  return {
    "sha256-ssse3": {},
    crc32c_generic: {},
    libcrc32c: { requires: ["crc32c_generic"] },
    erofs: { requires: ["libcrc32c"], onLoad: (kernel) => kernel.fileSystems.register("erofs") },
    "dm-mod": {
      onLoad: (kernel) => kernel.addCharacterDevice("mapper/control", DEVICE_NUMBERS.deviceMapperControl),
    },
    "dm-bufio": { requires: ["dm-mod"] },
    reed_solomon: {},
    "dm-verity": {
      requires: ["dm-mod", "dm-bufio", "reed_solomon"],
      onLoad: ({ deviceMapper }) => {
        deviceMapper.hasVerity = true;
      },
    },
    loop: { onLoad: (kernel) => kernel.addCharacterDevice("loop-control", DEVICE_NUMBERS.loopControl) },
    ...Object.fromEntries(
      ["ext4", "xfs", "vfat", "btrfs"].map((type): [string, Modules[string]] => [
        type,
        { onLoad: (kernel) => kernel.fileSystems.register(type) },
      ]),
    ),
    overlay: { onLoad: (kernel) => kernel.fileSystems.register("overlay") },
    virtio_ring: {},
    virtio_pci: {
      requires: ["virtio_ring"],
      onLoad: ({ buses }) =>
        buses.addDriver({
          drives: /^pci:v00001AF4d/,
          probe: () => buses.addDevice({ bus: "virtio", name: "virtio0", modalias: "virtio:d00000002v00001AF4" }),
        }),
    },
    virtio_blk: {
      requires: ["virtio_ring"],
      onLoad: ({ buses, blockDevices }) =>
        buses.addDriver({
          drives: /^virtio:d00000002v/,
          probe: () => {
            if (disk !== undefined) blockDevices.addDisk(disk);
          },
        }),
    },
  };
}

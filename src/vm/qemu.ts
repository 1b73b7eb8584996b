import { SHARED_MEMORY_MACHINE, sharedMemoryArguments } from "./guest-memory/index.ts";
import { FIRMWARE_MACHINE, firmwareArguments } from "./ovmf.ts";
import { QEMU_EVENTS } from "./qemu-log.ts";
import { quoteCommas } from "./quote-commas.ts";
import type { Disk, DiskBus, FirmwareMachine, Machine, MemoryDevice, MemoryImage } from "./types.ts";

export const QEMU = "qemu-system-x86_64";

/** What comes before the drive's name for each way of attaching it: controllers first. */
const DISK_DEVICES: Readonly<Record<DiskBus, { controller: readonly string[]; device: string }>> = {
  "virtio-blk": { controller: [], device: "virtio-blk-pci" },
  "virtio-scsi": { controller: ["-device", "virtio-scsi-pci,id=scsi"], device: "scsi-hd,bus=scsi.0" },
  nvme: { controller: [], device: "nvme" },
  // The machine type q35 has an AHCI controller.
  ahci: { controller: [], device: "ide-hd" },
  usb: { controller: ["-device", "qemu-xhci,id=usb"], device: "usb-storage,bus=usb.0" },
};

/** The arguments that make QEMU run a machine, emulated (no KVM) and without a window. */
export function qemuArguments(machine: Machine | FirmwareMachine): string[] {
  const isFirmware = "firmware" in machine;
  const controllers = new Set(machine.disks.map((disk) => disk.bus));
  const features = [
    isFirmware ? FIRMWARE_MACHINE : "",
    machine.sharesMemory ? SHARED_MEMORY_MACHINE : "",
    isMemoryDevice(machine.memoryImage) ? ",nvdimm=on" : "",
  ].join("");
  return [
    ...(machine.sharesMemory ? sharedMemoryArguments(machine.memoryMib) : []),
    ...["-machine", `q35,accel=tcg${features}`, "-cpu", machine.cpuModel],
    ...["-m", memorySize(machine), "-smp", String(machine.cpus)],
    ...["-nodefaults", "-display", "none", "-no-reboot"],
    ...(machine.countInstructions ? ["-icount", `shift=0,sleep=${machine.skipsIdle ? "off" : "on"}`] : []),
    ...["-serial", "stdio"],
    ...machine.serialFiles.flatMap((path) => ["-serial", `file:${path}`]),
    ...(machine.monitorSocket === undefined
      ? []
      : ["-qmp", `unix:${quoteCommas(machine.monitorSocket)},server=on,wait=off`]),
    ...(machine.tpmSocket === undefined ? [] : tpmArguments(machine.tpmSocket)),
    ...(machine.traceLog === undefined ? [] : traceArguments(machine.traceLog)),
    ...(isFirmware
      ? firmwareArguments(machine.firmware)
      : ["-kernel", machine.kernel, "-initrd", machine.initrd, "-append", machine.commandLine]),
    ...(machine.network === undefined ? [] : networkArguments(machine.network)),
    ...[...controllers].flatMap((bus) => DISK_DEVICES[bus].controller),
    ...machine.disks.flatMap(diskArguments),
    ...(machine.memoryImage === undefined ? [] : memoryImageArguments(machine.memoryImage)),
  ];
}

/** A TPM as most PCs have it (TIS), played by an swtpm. */
function tpmArguments(socket: string): string[] {
  const channel = ["-chardev", `socket,id=tpm,path=${quoteCommas(socket)}`];
  return [...channel, "-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-tis,tpmdev=tpm0"];
}

const NETWORKS = { user: "user", silent: "hubport,hubid=0" } as const;

function networkArguments(network: NonNullable<Machine["network"]>): string[] {
  const backend =
    typeof network === "string"
      ? NETWORKS[network]
      : `stream,server=off,addr.type=unix,addr.path=${quoteCommas(network.socket)}`;
  // Without its ROM, from which nothing is ever booted.
  return ["-netdev", `${backend},id=net0`, "-device", "virtio-net-pci,netdev=net0,romfile="];
}

/** -D takes a path as it is. */
function traceArguments(log: string): string[] {
  return ["-msg", "timestamp=on", "-D", log, ...QEMU_EVENTS.flatMap((event) => ["-trace", event])];
}

type MemoryDeviceImage = Extract<MemoryImage, { readonly device: unknown }>;

function isMemoryDevice(image: MemoryImage | undefined): image is MemoryDeviceImage {
  return image !== undefined && "device" in image;
}

const MIB = 1 << 20;
/** QEMU begins memory devices at a multiple of 1 GiB. */
const ROOM_MIB = 2 << 10;

/** With room for a memory device, where there is one. */
function memorySize({ memoryMib, memoryImage }: Machine | FirmwareMachine): string {
  if (!isMemoryDevice(memoryImage)) return `${memoryMib}M`;
  return `${memoryMib}M,slots=1,maxmem=${memoryMib + Math.ceil(memoryImage.sizeBytes / MIB) + ROOM_MIB}M`;
}

const MEMORY_DEVICES: Readonly<Record<MemoryDevice, { readonly backend: string; readonly device: string }>> = {
  // Unarmed: the guest sees that it cannot be written to.
  nvdimm: { backend: ",readonly=on", device: "nvdimm,unarmed=on" },
  "virtio-pmem": { backend: "", device: "virtio-pmem-pci" },
};

function memoryImageArguments(image: MemoryImage): string[] {
  const path = quoteCommas(image.path);
  if (!isMemoryDevice(image)) {
    return ["-device", `loader,file=${path},addr=0x${image.address.toString(16)},force-raw=on`];
  }
  const { backend, device } = MEMORY_DEVICES[image.device];
  const object = `memory-backend-file,id=image,share=off${backend},mem-path=${path},size=${image.sizeBytes}`;
  return ["-object", object, "-device", `${device},memdev=image`];
}

function diskArguments(disk: Disk, index: number): string[] {
  // An IDE disk cannot be read-only: it gets a temporary layer that takes what is written and is then dropped.
  const hasLayer = disk.forgetsWrites === true || (disk.readOnly && disk.bus === "ahci");
  const protection = hasLayer ? ",snapshot=on" : disk.readOnly ? ",readonly=on" : "";
  const drive = `if=none,id=disk${index},format=raw,file=${quoteCommas(disk.path)}${protection}`;
  // NVMe insists on a serial number, and Linux refuses a second controller with the same.
  const serial = disk.bus === "nvme" ? `,serial=lazyrd${index}` : "";
  return ["-drive", drive, "-device", `${DISK_DEVICES[disk.bus].device},drive=disk${index}${serial}`];
}

import { SHARED_MEMORY_MACHINE, sharedMemoryArguments } from "./guest-memory/index.ts";
import { FIRMWARE_MACHINE, firmwareArguments } from "./ovmf.ts";
import { QEMU_EVENTS } from "./qemu-log.ts";
import { quoteCommas } from "./quote-commas.ts";
import type { Disk, DiskBus, FirmwareMachine, Machine } from "./types.ts";

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
  const features = [isFirmware ? FIRMWARE_MACHINE : "", machine.sharesMemory ? SHARED_MEMORY_MACHINE : ""].join("");
  return [
    ...(machine.sharesMemory ? sharedMemoryArguments(machine.memoryMib) : []),
    ...["-machine", `q35,accel=tcg${features}`, "-cpu", machine.cpuModel],
    ...["-m", `${machine.memoryMib}M`, "-smp", String(machine.cpus)],
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
    ...(machine.memoryImage === undefined ? [] : loaderArguments(machine.memoryImage)),
  ];
}

/** A TPM as most PCs have it (TIS), played by an swtpm. */
function tpmArguments(socket: string): string[] {
  const channel = ["-chardev", `socket,id=tpm,path=${quoteCommas(socket)}`];
  return [...channel, "-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-tis,tpmdev=tpm0"];
}

function networkArguments(network: "user" | "silent"): string[] {
  const backend = network === "user" ? "user,id=net0" : "hubport,hubid=0,id=net0";
  // Without its ROM, from which nothing is ever booted.
  return ["-netdev", backend, "-device", "virtio-net-pci,netdev=net0,romfile="];
}

/** -D takes a path as it is. */
function traceArguments(log: string): string[] {
  return ["-msg", "timestamp=on", "-D", log, ...QEMU_EVENTS.flatMap((event) => ["-trace", event])];
}

function loaderArguments({ path, address }: NonNullable<Machine["memoryImage"]>): string[] {
  return ["-device", `loader,file=${quoteCommas(path)},addr=0x${address.toString(16)},force-raw=on`];
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

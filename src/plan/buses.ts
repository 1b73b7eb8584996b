import type { ByteString } from "../bytes/index.ts";

/**
 * Where devices with a kind of modalias stand: the part before the colon (scripts/mod/file2alias.c) to the folder
 * of /sys/bus. Aliases of other kinds (fs-erofs, crypto-sha256, block-major-8-*) do not come from hardware.
 */
const BUS_OF_ALIAS: ReadonlyMap<string, string> = new Map([
  ["pci", "pci"],
  ["usb", "usb"],
  ["virtio", "virtio"],
  ["scsi", "scsi"],
  ["mmc", "mmc"],
  ["sdio", "sdio"],
  ["vmbus", "vmbus"],
  ["xen", "xen"],
  ["nd", "nd"],
  ["platform", "platform"],
  // Devices that firmware describes are platform devices and show their ACPI or device tree name there.
  ["acpi", "platform"],
  ["of", "platform"],
]);

/** The kind stands alone, or with a wildcard for the rest of a longer name (acpi*:PNP0D40:*). */
const KIND = /^([a-z_]+)\*?:/;

/** The bus on which devices of an alias pattern are found, or undefined when it is not about hardware. */
export function busOfAlias(pattern: ByteString): string | undefined {
  const kind = KIND.exec(pattern)?.[1];
  return kind === undefined ? undefined : BUS_OF_ALIAS.get(kind);
}

/** Drivers that are found by one name: a kind of hardware and its modules. */
export interface DriverGroup {
  readonly hardware: string;
  readonly modules: readonly string[];
}

const VIRTIO: readonly DriverGroup[] = [
  { hardware: "virtio", modules: ["virtio_pci", "virtio_mmio", "virtio_blk", "virtio_scsi"] },
  { hardware: "SCSI disks", modules: ["sd_mod"] },
];

/**
 * What reaches a local disk on the machines that distributions support. Left out on purpose: Fibre Channel, iSCSI
 * and network cards (large, and storage behind them needs the full initrd), optical drives, tapes, floppies.
 */
const GENERIC: readonly DriverGroup[] = [
  ...VIRTIO,
  { hardware: "NVMe", modules: ["nvme", "vmd"] },
  { hardware: "SATA and ATA", modules: ["ahci", "ata_piix", "ata_generic", "sata_sil24", "sata_nv"] },
  {
    hardware: "USB",
    modules: ["xhci_pci", "ehci_pci", "ohci_pci", "uhci_hcd", "usb_storage", "uas"],
  },
  { hardware: "SD cards and eMMC", modules: ["mmc_block", "sdhci_pci", "sdhci_acpi"] },
  { hardware: "UFS", modules: ["ufshcd_pci"] },
  { hardware: "Hyper-V and Azure", modules: ["hv_storvsc", "pci_hyperv"] },
  { hardware: "Xen", modules: ["xen_blkfront", "xen_scsifront"] },
  // Without mptspi, virtual machines with an LSI controller restarted for ever (the default of older VMware).
  { hardware: "VMware", modules: ["vmw_pvscsi", "mptspi", "mptsas"] },
  {
    hardware: "RAID and SAS controllers",
    modules: ["mpt3sas", "megaraid_sas", "aacraid", "hpsa", "smartpqi", "sym53c8xx"],
  },
];

/** Sets of storage drivers by name. Everything in them is optional: kernels differ in what they have and build in. */
export const driverSets = { virtio: VIRTIO, generic: GENERIC } as const satisfies Readonly<
  Record<string, readonly DriverGroup[]>
>;

export type DriverSetName = keyof typeof driverSets;

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

const VIRTIO_NETWORK: readonly DriverGroup[] = [
  { hardware: "virtio", modules: ["virtio_pci", "virtio_mmio", "virtio_net"] },
];

/**
 * Wired interfaces of the machines that distributions support. Left out on purpose: what does not work without firmware
 * files, which the first stage does not carry (bnx2, bnx2x, ice in full), InfiniBand, and modems.
 */
const GENERIC_NETWORK: readonly DriverGroup[] = [
  ...VIRTIO_NETWORK,
  { hardware: "Intel", modules: ["e1000", "e1000e", "igb", "igc", "igbvf", "ixgbe", "ixgbevf", "i40e", "iavf"] },
  { hardware: "Realtek", modules: ["r8169", "8139cp", "8139too"] },
  { hardware: "Broadcom", modules: ["tg3", "bnxt_en"] },
  { hardware: "Marvell and Aquantia", modules: ["atlantic", "sky2", "alx"] },
  { hardware: "Mellanox", modules: ["mlx4_en", "mlx5_core"] },
  { hardware: "Hyper-V and Azure", modules: ["hv_netvsc", "mana", "pci_hyperv"] },
  { hardware: "Xen", modules: ["xen_netfront"] },
  { hardware: "VMware", modules: ["vmxnet3"] },
  { hardware: "Amazon and Google", modules: ["ena", "gve"] },
  { hardware: "USB", modules: ["xhci_pci", "ehci_pci", "r8152", "asix", "ax88179_178a", "cdc_ether"] },
];

/** Sets of storage drivers by name. Everything in them is optional: kernels differ in what they have and build in. */
export const driverSets = { virtio: VIRTIO, generic: GENERIC } as const satisfies Readonly<
  Record<string, readonly DriverGroup[]>
>;

/** What the same names stand for where the image comes over the network. */
export const networkDriverSets: Readonly<Record<keyof typeof driverSets, readonly DriverGroup[]>> = {
  virtio: VIRTIO_NETWORK,
  generic: GENERIC_NETWORK,
};

export type DriverSetName = keyof typeof driverSets;

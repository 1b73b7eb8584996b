import type { FeatureName, WantedModule } from "../../kernel/index.ts";
import type { ImageFacts } from "../image.ts";
import type { CorruptionAction, PlanStep } from "../types.ts";

/** Where an image can live (docs/layouts): what `layout` in lazyrd.toml may be. */
export const LAYOUT_NAMES = [
  "partition",
  "boot",
  "esp",
  "usr-file",
  "system",
  "usr",
  "memory",
  "pmem",
  "network",
] as const;
export type LayoutName = (typeof LAYOUT_NAMES)[number];

/** [location] of lazyrd.toml; what is "" or empty is not set. A layout refuses what it has no use for. */
export interface LocationSettings {
  /** The file system that holds the image: "UUID=...", "LABEL=...", "PARTTYPE=esp" and so on. */
  readonly device: string;
  /** Its type, for the layout that cannot know it: "ext4", "vfat", "xfs", "btrfs". */
  readonly "file-system": string;
  /** Where in it the images are. */
  readonly folder: string;
  /** Generations of which the images are tried when the own one cannot be used, the newest first. */
  readonly previous: readonly string[];
  /** Whether the image is used where it is in memory, after one look at all of it. */
  readonly dax: boolean;
  /** HTTP servers that have it, in the order in which they are asked; one that ends in "/" has it by its own name. */
  readonly urls: readonly string[];
  /** Whether it may be on its partitions too, and where in the order. */
  readonly disk: "" | "first" | "last";
  /** The network interface, by its name or its MAC address, and the number of the VLAN on it; 0: none. */
  readonly interface: string;
  readonly vlan: number;
  /** With the length of the network's prefix. Without it: DHCP. */
  readonly address: string;
  readonly gateway: string;
  readonly dns: readonly string[];
  /** Leaves the interface to the next stage as it is. */
  readonly "keep-network": boolean;
  /** What the root directory of an operating system is: "overlay" or "read-only". */
  readonly root: string;
  /** A disk image with the /usr that holds the image. */
  readonly usr: string;
}

export const NO_SETTINGS: LocationSettings = {
  device: "",
  "file-system": "",
  folder: "",
  previous: [],
  dax: false,
  urls: [],
  disk: "",
  interface: "",
  vlan: 0,
  address: "",
  gateway: "",
  dns: [],
  "keep-network": false,
  root: "",
  usr: "",
};

/** Where an image belongs once it is installed: for those who put it there. */
export type ImagePlace =
  /** On partitions of its own, with the GUIDs that its partition table has. */
  | { readonly kind: "partitions" }
  /** A file on a file system that is there already: which one, of what type, and the file's path on it. */
  | { readonly kind: "file"; readonly device: string; readonly fileSystem: string; readonly path: string }
  /** A file below /usr, whose file system is of that type. */
  | { readonly kind: "usr"; readonly fileSystem: string; readonly path: string }
  /** In the initrd itself, where the kernel unpacks it to this path. */
  | { readonly kind: "initrd"; readonly path: string }
  /** In memory that becomes a device: whoever starts the machine puts it there. */
  | { readonly kind: "memory" }
  /** On these servers. */
  | { readonly kind: "http"; readonly urls: readonly string[] };

/** Takes any image that is signed, where the plan would else name one. */
export interface SignedImages {
  /** GPT type of the partitions that hold the signatures. */
  readonly signatureType: string;
  /** What the partitions' labels begin with, before the version. */
  readonly label: string;
  /** The oldest version that may boot; "" for any. */
  readonly floor: string;
}

/** A file system on partitions of its own, with hashes: what a plan must know to open it. */
export interface VerifiedPartition {
  readonly dataPartition: string;
  readonly hashPartition: string;
  readonly rootHash: string;
  /** Hexadecimal, may be empty. */
  readonly salt: string;
  readonly dataBlocks: number;
  /** In hash blocks from the start of the hash partition. */
  readonly hashStartBlock: number;
}

/** What of the configuration the steps of a layout depend on. */
export interface LayoutOptions {
  readonly timeoutSeconds: number;
  readonly onCorruption: CorruptionAction;
  readonly signedImages?: SignedImages | undefined;
  /** The /usr that [location] usr names. */
  readonly usr?: VerifiedPartition | undefined;
  /** Whether the image holds only what differs from what its layout can lay it over. */
  readonly isLayer?: boolean;
}

/** What a layout lays an image over that holds only what differs. */
export interface LaidOver {
  /** The directory of the root that is laid over it; the rest is the image's alone. */
  readonly path: string;
  /** Where in it the images are: shown as little as what else only it has. */
  readonly images: string;
  /** The file system that it is on. */
  readonly fileSystem: string;
}

/** All that differs between the places where an image can live. */
export interface Layout {
  readonly name: LayoutName;
  /** What it needs of the kernel besides what every verified image needs. */
  readonly features: readonly FeatureName[];
  /** Whether images that were not known when the plan was made can be found there. */
  readonly findsSignedImages: boolean;
  /** Modules besides those of the features. */
  readonly modules?: readonly WantedModule[];
  /** Whether the image is behind a driver of local storage. */
  readonly needsDrivers: boolean;
  /** Whether the first stage needs a network, and drivers of its interfaces. */
  readonly needsNetwork?: boolean;
  /** Drivers of its own, which are loaded where their device is there. */
  readonly drivers?: readonly WantedModule[];
  /** Whether files must stand in the image as they are: neither compressed nor beside others in a block. */
  readonly needsPlainFiles?: boolean;
  /** What the size of the image's file must be a multiple of, where it matters. */
  readonly sizeMultiple?: number;
  /** Where the kernel unpacks the image to, when it is to be in the initrd. */
  readonly initrdPath?: string;
  /** What the image holds: an initrd, which finds the root file system (default), or an operating system. */
  readonly continuesInto?: "initrd" | "system";
  /** What the image's partitions are (Discoverable Partitions Specification); default: root. */
  readonly designator?: "root" | "usr";
  /** Nothing can be put into it: what was appended to the initrd is not taken along. */
  readonly hasReadOnlyRoot?: boolean;
  /** What an image can leave out, because the layout lays it over that; without it, an image has to be complete. */
  readonly laidOver?: LaidOver;
  /** From the image at IMAGE_MOUNT to the root directory at NEW_ROOT, where that is not an overlay over the image. */
  readonly rootSteps?: () => readonly PlanStep[];
  /** A file system that is in use, and cannot be mounted writable, for as long as the image is. */
  readonly keepsInUse?: string;
  /** What is done to the finished root directory. */
  readonly lastSteps?: (options: LayoutOptions) => readonly PlanStep[];
  place(image: ImageFacts): ImagePlace;
  /** Waits until one of several images is there, so that the others need not be waited for as long. */
  waitForOneOf?(images: readonly ImageFacts[], options: LayoutOptions): PlanStep;
  /** From the drivers at hand to the image, verified, at IMAGE_MOUNT. */
  steps(image: ImageFacts, options: LayoutOptions): readonly PlanStep[];
}

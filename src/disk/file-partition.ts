import { alignUp, type ByteSource, fromText, type Guid, UsageError } from "../bytes/index.ts";
import { type FatPlan, planFat } from "../formats/fat/index.ts";
import { DEFAULT_ALIGNMENT, type NewPartition, partitionTypeGuid } from "../formats/gpt/index.ts";
import type { ImagePlace } from "../plan/index.ts";
import { regularFile, Tree } from "../tree/index.ts";

export type FilePlace = ImagePlace & { readonly kind: "file" };

/** What a plan goes by when it looks for the file system that has its image. */
interface Identity {
  readonly typeGuid: Guid;
  readonly partitionGuid: Guid | undefined;
  readonly name: string;
  readonly label: string | undefined;
  readonly volumeId: number | undefined;
}

/** What FAT32 takes for itself, generously; and it needs some clusters to be FAT32 at all. */
const FAT_BYTES = 40 << 20;

/** Whether the image is a file on the EFI system partition. */
export function isOnEsp(place: ImagePlace): boolean {
  return place.kind === "file" && place.device === "PARTTYPE=esp";
}

/** Adds an image to the files of a partition. */
export function addImageFile(tree: Tree, place: FilePlace, image: ByteSource): void {
  tree.setWithParents(fromText(place.path.replace(/^\//, "")), regularFile(image));
}

/**
 * A FAT partition with an image on it, as a layout looks for it.
 * @throws UsageError where it is to be on another file system, which lazyrd cannot write.
 */
export function planFilePartition(
  place: FilePlace,
  image: ByteSource,
  other: { readonly partitionGuid: Guid; readonly volumeId: number },
): { readonly partition: NewPartition; readonly fat: FatPlan } {
  if (place.fileSystem !== "vfat") {
    throw new UsageError(
      `Cannot make a disk for this generation: lazyrd writes FAT, and its image belongs on ${place.fileSystem}`,
      {
        hint: `copy image.raw to ${place.path} on ${place.device}, or build it with file-system = "vfat"`,
      },
    );
  }
  const identity = identityOf(place.device);
  const tree = new Tree();
  addImageFile(tree, place, image);
  const fat = planFat(tree, {
    sizeBytes: alignUp(image.size + (image.size >> 6) + FAT_BYTES, DEFAULT_ALIGNMENT),
    volumeId: identity.volumeId ?? other.volumeId,
    label: identity.label,
  });
  const { typeGuid, name } = identity;
  const partitionGuid = identity.partitionGuid ?? other.partitionGuid;
  return { partition: { typeGuid, partitionGuid, name, sizeBytes: fat.sizeBytes }, fat };
}

function identityOf(device: string): Identity {
  const [, key = "", value = ""] = /^([A-Z]+)=(.*)$/s.exec(device) ?? [];
  const type = key === "PARTTYPE" ? value : "xbootldr";
  return {
    typeGuid: /^[0-9a-f-]{36}$/i.test(type) ? type.toLowerCase() : partitionTypeGuid(type),
    partitionGuid: key === "PARTUUID" ? value.toLowerCase() : undefined,
    name: key === "PARTLABEL" ? value : "boot",
    label: key === "LABEL" ? value : undefined,
    volumeId: key === "UUID" ? Number.parseInt(value.replace("-", ""), 16) : undefined,
  };
}

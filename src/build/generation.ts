import { join } from "node:path";
import { FormatError, UsageError } from "../bytes/index.ts";
import { readInput } from "../host/index.ts";
import { type Manifest, parseManifest } from "./manifest.ts";

/** The names of the files of a generation. */
export const GENERATION_FILES = {
  kernel: "vmlinuz",
  firstStage: "first-stage.cpio",
  image: "image.raw",
  plan: "plan",
  manifest: "manifest.json",
} as const;

/** What some generations have besides. */
export const OPTIONAL_FILES = {
  /** First stage and image in one, where the image lives in the initrd: then this is what a loader loads. */
  initrd: "initrd.cpio",
  /** A unified kernel image: kernel, first stage and command line in one EFI program. */
  uki: "lazyrd.efi",
  /** Of an image that holds only what differs: the files that it has left out, as sha256sum checks them. */
  leftOut: "left-out.sha256",
} as const;

/** What lies beside a generation on the machine that built it, and is no part of it. */
export const LOCAL_FILES = {
  /** A link to the initrd that was split, to boot it for comparison. */
  classicInitrd: ".classic-initrd",
  /** A link to the disk image with the /usr that holds the image, to boot from that. */
  usr: ".usr",
} as const;

/** Every name that a generation's folder has: one with any other file is not lazyrd's to replace. */
export const OWN_NAMES: readonly string[] = [
  ...Object.values(GENERATION_FILES),
  ...Object.values(OPTIONAL_FILES),
  ...Object.values(LOCAL_FILES),
];

/** The file that a loader loads as the initrd. */
export function loadedFile({ files }: Pick<Manifest, "files">): string {
  return files[OPTIONAL_FILES.initrd] === undefined ? GENERATION_FILES.firstStage : OPTIONAL_FILES.initrd;
}

export interface Generation {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly path: (file: keyof typeof GENERATION_FILES) => string;
}

/** @throws UsageError when the folder holds no generation, FormatError when its manifest is damaged. */
export function readGeneration(folder: string): Generation {
  const path = (file: keyof typeof GENERATION_FILES): string => join(folder, GENERATION_FILES[file]);
  let text: Uint8Array;
  try {
    text = readInput(path("manifest"), "the manifest");
  } catch (cause) {
    if (!(cause instanceof UsageError)) throw cause;
    throw new UsageError(cause.message, { hint: "give the folder that lazyrd build wrote (-o)", cause });
  }
  try {
    return { folder, manifest: parseManifest(Buffer.from(text).toString("utf8")), path };
  } catch (cause) {
    if (cause instanceof FormatError) cause.message = `${path("manifest")}: ${cause.message}`;
    throw cause;
  }
}

import * as z from "zod";
import { FormatError } from "../bytes/index.ts";
import { LAYOUT_NAMES } from "../plan/index.ts";

/** Counts up when a reader of older manifests would misunderstand a newer one. */
const MANIFEST_VERSION = 1;

/** SHA-256 in hexadecimal. */
const Digest = z.string().regex(/^[0-9a-f]{64}$/);
const FileEntry = z.strictObject({ sizeBytes: z.int().min(0), sha256: Digest });

const Reasons = z.array(z.string()).readonly();
const Explained = z.strictObject({ name: z.string(), reasons: Reasons });

const Transformation = z.strictObject({
  setting: z.enum(["drop", "modules", "file-contexts", "capabilities", "against"]),
  purpose: z.string(),
  entries: z.int().min(0),
  bytesBefore: z.int().min(0),
  bytesAfter: z.int().min(0),
  details: z.array(z.string()).readonly(),
});

/** Where the image belongs on a machine (docs/layouts). */
const Place = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("partitions") }),
  z.strictObject({ kind: z.literal("file"), device: z.string(), fileSystem: z.string(), path: z.string() }),
  z.strictObject({ kind: z.literal("usr"), fileSystem: z.string(), path: z.string() }),
  z.strictObject({ kind: z.literal("initrd"), path: z.string() }),
  z.strictObject({ kind: z.literal("http"), urls: z.array(z.string()).readonly() }),
  z.strictObject({ kind: z.literal("memory") }),
]);

const Manifest = z.strictObject({
  version: z.literal(MANIFEST_VERSION),
  /** What wrote it, for instance "lazyrd 0.1.0". */
  generator: z.string(),
  kernel: z.strictObject({ release: z.string(), architecture: z.string() }),
  commandLine: z.string(),
  layout: z.enum(LAYOUT_NAMES),
  place: Place,
  nextStage: z.strictObject({ kind: z.enum(["systemd", "script", "system"]), init: z.string() }),
  image: z.strictObject({
    rootHash: Digest,
    salt: z.string(),
    dataBlocks: z.int().min(1),
    dataPartition: z.string(),
    hashPartition: z.string(),
    /** Where these begin in the image's file. */
    dataOffsetBytes: z.int().min(0),
    hashOffsetBytes: z.int().min(0),
    /** What the image must be laid over, where it holds only what differs from that. */
    base: z
      .strictObject({
        kind: z.enum(["initramfs", "erofs", "fat", "disk", "uki", "generation", "folder"]),
        /** The directory that is laid over it, where that is not the whole image. */
        path: z.string().optional(),
        sha256: Digest,
        rootHash: Digest.optional(),
      })
      .optional(),
  }),
  /** Everything that belongs to the generation, by file name. */
  files: z.record(z.string(), FileEntry),
  /** Digests of what it was made from. */
  inputs: z.record(z.string(), FileEntry),
  explanation: z.strictObject({
    steps: z.array(z.strictObject({ line: z.string(), purpose: z.string(), reasons: Reasons })).readonly(),
    modules: z.array(z.strictObject({ name: z.string(), sizeBytes: z.int(), reasons: Reasons })).readonly(),
    builtin: z.array(Explained).readonly(),
    absent: z.array(Explained).readonly(),
    /** What was changed between the initrd and the image; left out where nothing was. */
    image: z.array(Transformation).readonly().optional(),
  }),
});

/** A generation: what belongs together, is installed together and removed together (docs/manifest.md). */
export type Manifest = z.output<typeof Manifest>;

export function encodeManifest(manifest: Omit<Manifest, "version">): string {
  return `${JSON.stringify({ version: MANIFEST_VERSION, ...manifest }, undefined, 2)}\n`;
}

/** @throws FormatError when the text is not a manifest of this version. */
export function parseManifest(text: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError("Cannot read the manifest: it is not JSON", { format: "manifest", cause });
  }
  const result = Manifest.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new FormatError(`Cannot read the manifest: ${issue?.message ?? "unexpected content"}`, {
    format: "manifest",
    field: issue?.path.join("."),
  });
}

import { UsageError } from "../bytes/index.ts";
import { COMPRESSION_METHODS, type CompressionMethod } from "../formats/compression/index.ts";

/** How an archive can be packed so that kernels unpack it. */
export type ArchiveMethod = CompressionMethod | "none";
const ARCHIVE_METHODS: readonly ArchiveMethod[] = ["none", ...COMPRESSION_METHODS];

/** Who brings kernel and initrd into memory. */
type Loader =
  /** QEMU by itself: no time, and no reads, are counted for it. */
  | "machine"
  /** UEFI firmware, as one unified kernel image from a disk. */
  | "firmware";

/** Settings as in lazyrd.toml, by table. */
export type Settings = Readonly<Record<string, Readonly<Record<string, unknown>> | string>>;

/** A way to boot with one and the same initrd. */
export type Variant =
  /** A kernel with an initrd that has nothing in it but a trivial /init: what no initrd can be faster than. */
  | { readonly kind: "floor" }
  /** The initrd as it is, or packed in another way. */
  | { readonly kind: "classic"; readonly method?: ArchiveMethod; readonly loader?: Loader }
  /** The generation that lazyrd makes of it, with these settings. */
  | {
      readonly kind: "lazy";
      readonly settings: Settings;
      /** Whether the image is laid out for what a first boot of it reads. */
      readonly profiled?: boolean;
      readonly loader?: Loader;
    };

export interface NamedVariant {
  readonly name: string;
  readonly variant: Variant;
}

/** Signatures are kept unless a variant's name says otherwise; symbols go along with them. */
const KEEP = { signatures: "keep", symbols: "auto" } as const;
const STRIP = { signatures: "strip", symbols: "auto" } as const;

/** What can be measured. A new one is a line here: settings as in lazyrd.toml, under a name. */
const DECLARED: Readonly<Record<string, Variant>> = {
  floor: { kind: "floor" },
  classic: { kind: "classic" },
  ...named(ARCHIVE_METHODS, (method) => [`classic-${method}`, { kind: "classic", method }]),
  ...named(["none", "lz4", "lz4hc", "zstd"], (compression) => [
    `lazy-${compression}`,
    { kind: "lazy", settings: { image: { compression }, modules: KEEP } },
  ]),
  ...named(["none", "lz4", "lz4hc", "zstd"], (compression) => [
    `lazy-${compression}-strip`,
    { kind: "lazy", settings: { image: { compression }, modules: STRIP } },
  ]),
  ...named(["lz4", "zstd"], (compression) => [
    `lazy-${compression}-strip-profile`,
    { kind: "lazy", settings: { image: { compression }, modules: STRIP }, profiled: true },
  ]),
  "memory-lz4": { kind: "lazy", settings: { layout: "memory", image: { compression: "lz4" }, modules: KEEP } },
  "uki-classic": { kind: "classic", loader: "firmware" },
  "uki-lazy-lz4": {
    kind: "lazy",
    settings: { image: { compression: "lz4" }, modules: KEEP },
    loader: "firmware",
  },
  "uki-lazy-lz4-strip": {
    kind: "lazy",
    settings: { image: { compression: "lz4" }, modules: STRIP },
    loader: "firmware",
  },
};

function named<T extends string>(
  values: readonly T[],
  declare: (value: T) => readonly [string, Variant],
): Record<string, Variant> {
  return Object.fromEntries(values.map(declare));
}

export const VARIANT_NAMES: readonly string[] = Object.keys(DECLARED);

export const DEFAULT_VARIANTS = "floor,classic,lazy-lz4";

/** The variants of a list like "floor,classic-zstd,lazy-lz4". @throws UsageError that names the one that is unknown. */
export function parseVariants(text: string): NamedVariant[] {
  return [...new Set(text.split(","))].map((name) => {
    const variant = Object.hasOwn(DECLARED, name) ? DECLARED[name] : undefined;
    if (variant !== undefined) return { name, variant };
    throw new UsageError(`Cannot measure ${JSON.stringify(name)}: no such variant`, {
      hint: `choose from ${VARIANT_NAMES.join(", ")}`,
    });
  });
}

/** Whether UEFI firmware starts it. */
export function startsFromFirmware(variant: Variant): boolean {
  return "loader" in variant && variant.loader === "firmware";
}

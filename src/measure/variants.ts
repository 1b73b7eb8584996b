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

/** What the image of a variant holds. */
type Content =
  /** The initrd. */
  | "initrd"
  /** An operating system: the one that stands behind the initrd, or the initrd's own files, as if they were one. */
  | "system";

/** A way to boot with one and the same initrd. */
export type Variant =
  /** A kernel with an initrd that has nothing in it but a trivial /init: what no initrd can be faster than. */
  | { readonly kind: "floor" }
  /** The initrd as it is, or packed in another way. */
  | { readonly kind: "classic"; readonly method?: ArchiveMethod; readonly loader?: Loader }
  | LazyVariant;

/** The generation that lazyrd makes of an initrd, with these settings. */
export interface LazyVariant {
  readonly kind: "lazy";
  readonly settings: Settings;
  readonly content?: Content;
  /** Whether the image is laid out for what a first boot of it reads. */
  readonly profiled?: boolean;
  readonly loader?: Loader;
}

export interface NamedVariant {
  readonly name: string;
  readonly variant: Variant;
}

/** Signatures are kept unless a variant's name says otherwise; symbols go along with them. */
const KEEP = { signatures: "keep", symbols: "auto" } as const;
const STRIP = { signatures: "strip", symbols: "auto" } as const;

/** How an image can be compressed. */
const LEVELS = ["none", "lz4", "lz4hc", "zstd"] as const;

/** Settings of each layout but the default one, "partition", whose variants are called lazy. */
const LAYOUTS: Readonly<Record<string, Pick<LazyVariant, "settings" | "content">>> = {
  boot: { settings: { layout: "boot", location: { device: "UUID=6C61-7A79", "file-system": "vfat" } } },
  esp: { settings: { layout: "esp" } },
  // Which disk has /usr is known when there is one.
  "usr-file": { settings: { layout: "usr-file" } },
  memory: { settings: { layout: "memory" } },
  pmem: { settings: { layout: "pmem" } },
  // Whoever boots it says where it is really served.
  network: { settings: { layout: "network", location: { urls: ["http://10.0.2.2/image.raw"] } } },
  system: { settings: { layout: "system" }, content: "system" },
  usr: { settings: { layout: "usr" }, content: "system" },
};

/** What can be measured. A new one is a line here: settings as in lazyrd.toml, under a name. */
const DECLARED: Readonly<Record<string, Variant>> = {
  floor: { kind: "floor" },
  classic: { kind: "classic" },
  ...named(ARCHIVE_METHODS, (method) => [`classic-${method}`, { kind: "classic", method }]),
  ...named(LEVELS, (compression) => [
    `lazy-${compression}`,
    { kind: "lazy", settings: { image: { compression }, modules: KEEP } },
  ]),
  ...named(LEVELS, (compression) => [
    `lazy-${compression}-strip`,
    { kind: "lazy", settings: { image: { compression }, modules: STRIP } },
  ]),
  ...named(["lz4", "zstd"], (compression) => [
    `lazy-${compression}-strip-profile`,
    { kind: "lazy", settings: { image: { compression }, modules: STRIP }, profiled: true },
  ]),
  ...Object.assign({}, ...Object.keys(LAYOUTS).map(ofLayout)),
  "pmem-dax": direct(KEEP),
  "pmem-dax-strip": direct(STRIP),
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

function ofLayout(name: string): Record<string, Variant> {
  const { settings, ...others } = LAYOUTS[name] ?? { settings: {} };
  const variant = (compression: string, modules: Settings[string]): Variant => {
    return { kind: "lazy", settings: { ...settings, image: { compression }, modules }, ...others };
  };
  return {
    ...named(LEVELS, (level) => [`${name}-${level}`, variant(level, KEEP)]),
    ...named(LEVELS, (level) => [`${name}-${level}-strip`, variant(level, STRIP)]),
  };
}

/** Programs are run from where they are in memory: they are not compressed. */
function direct(modules: Settings[string]): Variant {
  const settings = { layout: "pmem", location: { dax: true }, image: { compression: "none" }, modules };
  return { kind: "lazy", settings };
}

function named<T extends string>(
  values: readonly T[],
  declare: (value: T) => readonly [string, Variant],
): Record<string, Variant> {
  return Object.fromEntries(values.map(declare));
}

export const VARIANT_NAMES: readonly string[] = Object.keys(DECLARED);

/** The same for people, who need not read all of them. */
export const VARIANT_PATTERNS =
  "floor; classic, classic-METHOD (none, gzip, bzip2, lzma, xz, lzo, lz4, zstd); LAYOUT-LEVEL, LAYOUT-LEVEL-strip (lazy, " +
  `${Object.keys(LAYOUTS).join(", ")}; none, lz4, lz4hc, zstd); lazy-lz4-strip-profile, lazy-zstd-strip-profile; ` +
  "pmem-dax, pmem-dax-strip; uki-classic, uki-lazy-lz4, uki-lazy-lz4-strip";

export const DEFAULT_VARIANTS = "floor,classic,lazy-lz4";

/** The variants of a list like "floor,classic-zstd,lazy-lz4". @throws UsageError that names the one that is unknown. */
export function parseVariants(text: string): NamedVariant[] {
  return [...new Set(text.split(","))].map((name) => {
    const variant = Object.hasOwn(DECLARED, name) ? DECLARED[name] : undefined;
    if (variant !== undefined) return { name, variant };
    throw new UsageError(`Cannot measure ${JSON.stringify(name)}: no such variant`, {
      hint: `choose from ${VARIANT_PATTERNS}`,
    });
  });
}

/** Whether UEFI firmware starts it. */
export function startsFromFirmware(variant: Variant): boolean {
  return "loader" in variant && variant.loader === "firmware";
}

/** Whether what boots is an operating system, without an initrd in front. */
export function isSystem(variant: Variant): boolean {
  return variant.kind === "lazy" && variant.content === "system";
}

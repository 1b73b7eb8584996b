import { UsageError } from "../bytes/index.ts";
import { OUTPUT_METHODS, type OutputMethod } from "../formats/compression/index.ts";

const IMAGE_COMPRESSIONS = ["none", "lz4", "lz4hc", "zstd"] as const;

/** A way to boot with one and the same initrd. */
export type Variant =
  /** A kernel with an initrd that has nothing in it but a trivial /init: what no initrd can be faster than. */
  | { readonly kind: "floor" }
  /** The initrd as it is, or packed in another way. */
  | { readonly kind: "classic"; readonly compression: OutputMethod | undefined }
  /** The generation that lazyrd makes of it. */
  | {
      readonly kind: "lazy";
      readonly compression: (typeof IMAGE_COMPRESSIONS)[number];
      readonly signatures: "keep" | "strip";
    };

export interface NamedVariant {
  readonly name: string;
  readonly variant: Variant;
}

/** All variants by name. */
export const VARIANTS: ReadonlyMap<string, Variant> = new Map<string, Variant>([
  ["floor", { kind: "floor" }],
  ["classic", { kind: "classic", compression: undefined }],
  ...OUTPUT_METHODS.map((compression): [string, Variant] => [
    `classic-${compression}`,
    { kind: "classic", compression },
  ]),
  ...IMAGE_COMPRESSIONS.flatMap((compression): [string, Variant][] => [
    [`lazy-${compression}`, { kind: "lazy", compression, signatures: "keep" }],
    [`lazy-${compression}-strip`, { kind: "lazy", compression, signatures: "strip" }],
  ]),
]);

export const DEFAULT_VARIANTS = "floor,classic,lazy-lz4";

/** The variants of a list like "floor,classic-zstd,lazy-lz4". @throws UsageError that names the one that is unknown. */
export function parseVariants(text: string): NamedVariant[] {
  return [...new Set(text.split(","))].map((name) => {
    const variant = VARIANTS.get(name);
    if (variant !== undefined) return { name, variant };
    throw new UsageError(`Cannot measure ${JSON.stringify(name)}: no such variant`, {
      hint: `choose from ${[...VARIANTS.keys()].join(", ")}`,
    });
  });
}

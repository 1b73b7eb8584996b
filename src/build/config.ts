import { parse as parseToml, TomlError } from "smol-toml";
import * as z from "zod";
import { UsageError } from "../bytes/index.ts";
import { OUTPUT_METHODS } from "../formats/compression/index.ts";
import { LAYOUT_NAMES } from "../plan/index.ts";
import { parseSize } from "../text/index.ts";

/** The image may have any size. */
const NO_BUDGET = "none";

const DRIVER_SETS = ["generic", "virtio", "host"] as const;
/** KiB. A cluster is read and decoded as a whole. */
const CLUSTER_SIZES = [4, 8, 16, 32, 64, 128, 256] as const;

/** What neither the firmware, nor the kernel, nor signed policies make use of: these have values of their own to keep. */
const MEASURE_PCRS = [12, 13, 14, 15, 16, 23] as const;

/** Of an image (UAPI.10); "" is none. */
const Version = z
  .string()
  .regex(/^[A-Za-z0-9.~^-]*$/, "expected letters, digits and .~^-")
  .default("");
/** NAME_VERSION_verity-sig has to fit into the 36 characters of a partition's label. */
const NAME_AND_VERSION = 24;

/** A variant in the boot menu; what is left out is as in the image without it. */
const UkiProfile = z.strictObject({
  id: z.string().min(1),
  title: z.string().optional(),
  "command-line": z.string().optional(),
  kernel: z.string().min(1).optional(),
  initrd: z.string().min(1).optional(),
});

/** lazyrd.toml (docs/configuration.md). Keys that are not listed are refused: a mistyped one must not pass unseen. */
const Config = z.strictObject({
  layout: z.enum(LAYOUT_NAMES).default("partition"),
  // Each layout takes some of these and refuses the others (src/plan/layouts).
  location: z
    .strictObject({
      device: z.string().default(""),
      "file-system": z.string().default(""),
      folder: z.string().default(""),
      previous: z.array(z.string().min(1)).default([]),
      dax: z.boolean().default(false),
      urls: z.array(z.string()).default([]),
      disk: z.enum(["", "first", "last"]).default(""),
      interface: z.string().default(""),
      vlan: z.int().min(0).max(4094).default(0),
      address: z.string().default(""),
      gateway: z.string().default(""),
      dns: z.array(z.string()).max(3).default([]),
      "keep-network": z.boolean().default(false),
      root: z.string().default(""),
      usr: z.string().default(""),
    })
    .prefault({}),
  "first-stage": z
    .strictObject({
      compression: z.enum(OUTPUT_METHODS).default("zstd"),
      drivers: z.union([z.enum(DRIVER_SETS), z.array(z.string().min(1)).min(1)]).default("generic"),
      accelerate: z.boolean().default(true),
      // "" is none
      shell: z.string().default(""),
    })
    .prefault({}),
  modules: z
    .strictObject({
      signatures: z.enum(["keep", "strip", "resign"]).default("keep"),
      symbols: z.enum(["auto", "keep", "strip"]).default("auto"),
      unwind: z.enum(["keep", "strip"]).default("keep"),
      key: z.string().default(""),
      signer: z.string().default(""),
      certificate: z.string().default(""),
      keyring: z.enum(["platform", "machine", "builtin"]).default("platform"),
    })
    .refine(({ signatures, symbols }) => signatures !== "keep" || symbols !== "strip", {
      path: ["symbols"],
      error: '"strip" changes what the signatures are for: it takes signatures = "strip" or "resign"',
    })
    .refine(({ signatures, symbols, unwind }) => unwind === "keep" || (signatures !== "keep" && symbols !== "keep"), {
      path: ["unwind"],
      error: '"strip" goes along with symbols: it takes signatures = "strip" or "resign", and symbols not "keep"',
    })
    .prefault({}),
  image: z
    .strictObject({
      compression: z.enum(["none", "lz4", "lz4hc", "zstd"]).default("lz4"),
      "cluster-size": z.union([z.literal("auto"), z.literal(CLUSTER_SIZES)]).default("auto"),
      modules: z.enum(["auto", "keep", "unpack"]).default("auto"),
      drop: z.array(z.string().min(1)).default([]),
      against: z.string().default(""),
      "file-contexts": z.string().default(""),
      capabilities: z.string().default(""),
      profile: z.string().default(""),
      budget: z
        .string()
        .refine((text) => text === NO_BUDGET || parseSize(text) !== undefined, 'expected "none" or a size: "60M"')
        .default(NO_BUDGET),
      name: z
        .string()
        .regex(/^[A-Za-z0-9.-]+$/, "expected letters, digits, dots and dashes")
        .default("lazyrd"),
      version: Version,
    })
    .refine(({ name, version }) => name.length + version.length <= NAME_AND_VERSION, {
      path: ["version"],
      error: `expected at most ${NAME_AND_VERSION} characters together with the name`,
    })
    .prefault({}),
  boot: z
    .strictObject({
      "command-line": z.string().default(""),
      timeout: z.int().min(1).max(3600).default(30),
      "on-corruption": z.enum(["panic", "reboot", "error"]).default("panic"),
      "on-failure": z.enum(["reboot", "poweroff", "panic"]).default("reboot"),
      "failure-delay": z.int().min(1).max(3600).default(30),
    })
    .prefault({}),
  measure: z
    .strictObject({
      when: z.enum(["never", "if-present", "required"]).default("never"),
      pcr: z
        .literal(MEASURE_PCRS, "expected 12 to 16, or 23 (policies are signed for the value that 11 has without this)")
        .default(12),
    })
    .prefault({}),
  // "" is no file, or no command.
  "image-signature": z
    .strictObject({
      key: z.string().default(""),
      signer: z.string().default(""),
      certificate: z.string().default(""),
      required: z.boolean().default(false),
      floor: Version,
      keyring: z.enum(["platform", "machine", "builtin"]).default("platform"),
    })
    .prefault({}),
  uki: z
    .strictObject({
      stub: z.string().default(""),
      "os-release": z.string().default(""),
      splash: z.string().default(""),
      sbat: z.string().default(""),
      microcode: z.string().default(""),
      "pcr-public-key": z.string().default(""),
      "pcr-key": z.string().default(""),
      "pcr-signer": z.string().default(""),
      "pcr-phases": z.union([z.literal("auto"), z.array(z.string()).min(1)]).default("auto"),
      profiles: z.array(UkiProfile).default([]),
    })
    .prefault({}),
});

/** The settings of a build, complete with defaults. */
export type BuildConfig = z.output<typeof Config>;
export type DriverChoice = BuildConfig["first-stage"]["drivers"];

/**
 * Reads the text of a lazyrd.toml.
 * @throws UsageError that names the file and the key or line at fault.
 */
export function parseConfig(text: string, path = "lazyrd.toml"): BuildConfig {
  let values: unknown;
  try {
    values = parseToml(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const reason = cause.message.split("\n")[0] ?? "";
    throw new UsageError(`Cannot read ${path}: line ${cause.line}: ${reason.replace(/^Invalid TOML document: /, "")}`, {
      hint: "docs/configuration.md describes the file",
      cause,
    });
  }
  return checked(values, path);
}

function checked(values: unknown, path: string): BuildConfig {
  const result = Config.safeParse(values);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => {
    const key = issue.path.join(".");
    return key === "" ? issue.message : `${key}: ${issue.message}`;
  });
  throw new UsageError(`Cannot use ${path}: ${faults.join("; ")}`, { hint: "docs/configuration.md lists the keys" });
}

/**
 * Settings with some of them replaced, by table and key.
 * @throws UsageError for a key or a value that is none.
 */
export function withSettings(config: BuildConfig, changes: Readonly<Record<string, unknown>>): BuildConfig {
  const values: Record<string, unknown> = { ...config };
  for (const [name, change] of Object.entries(changes)) {
    const before = values[name];
    values[name] = isTable(before) && isTable(change) ? { ...before, ...change } : change;
  }
  return checked(values, "these settings");
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function defaultConfig(): BuildConfig {
  return Config.parse({});
}

import { UsageError } from "../bytes/index.ts";
import type { KernelConfig } from "./config.ts";
import type { ModuleDatabase } from "./database.ts";
import type { WantedModule } from "./plan-modules.ts";
import { chooseProviders } from "./providers.ts";

interface Feature {
  /** As menuconfig knows it, first the one to name. */
  readonly symbol: string;
  /** The module or alias, or undefined for what is a part of another feature: only the configuration shows it. */
  readonly module?: string;
  readonly purpose: string;
}

/** What lazyrd may need of a kernel. Symbols as in Linux 6.1 to 6.12. */
export const FEATURES = {
  erofs: { symbol: "CONFIG_EROFS_FS", module: "erofs", purpose: "the image's file system" },
  "erofs-lz4": { symbol: "CONFIG_EROFS_FS_ZIP", purpose: "images compressed with LZ4" },
  "erofs-zstd": { symbol: "CONFIG_EROFS_FS_ZIP_ZSTD", purpose: "images compressed with zstd" },
  "erofs-deflate": { symbol: "CONFIG_EROFS_FS_ZIP_DEFLATE", purpose: "images compressed with deflate" },
  "erofs-lzma": { symbol: "CONFIG_EROFS_FS_ZIP_LZMA", purpose: "images compressed with MicroLZMA" },
  "erofs-file": { symbol: "CONFIG_EROFS_FS_BACKED_BY_FILE", purpose: "mounting a file without a loop device" },
  "erofs-xattr": { symbol: "CONFIG_EROFS_FS_XATTR", purpose: "extended attributes in the image" },
  dm: { symbol: "CONFIG_BLK_DEV_DM", module: "dm_mod", purpose: "mapped devices" },
  "dm-verity": { symbol: "CONFIG_DM_VERITY", module: "dm_verity", purpose: "checking the image as it is read" },
  "dm-verity-signature": {
    symbol: "CONFIG_DM_VERITY_VERIFY_ROOTHASH_SIG",
    purpose: "root hashes that are signed",
  },
  overlay: { symbol: "CONFIG_OVERLAY_FS", module: "overlay", purpose: "a writable layer over the image" },
  loop: { symbol: "CONFIG_BLK_DEV_LOOP", module: "loop", purpose: "images that are files" },
  vlan: { symbol: "CONFIG_VLAN_8021Q", module: "8021q", purpose: "an image behind a VLAN" },
  pmem: { symbol: "CONFIG_BLK_DEV_PMEM", module: "nd_pmem", purpose: "images in persistent memory" },
  ext4: { symbol: "CONFIG_EXT4_FS", module: "ext4", purpose: "images on ext4" },
  vfat: { symbol: "CONFIG_VFAT_FS", module: "vfat", purpose: "images on FAT" },
  "fat-codepage": { symbol: "CONFIG_NLS_CODEPAGE_437", module: "nls_cp437", purpose: "names on FAT" },
  xfs: { symbol: "CONFIG_XFS_FS", module: "xfs", purpose: "images on XFS" },
  squashfs: { symbol: "CONFIG_SQUASHFS", module: "squashfs", purpose: "images in a squashfs" },
  btrfs: { symbol: "CONFIG_BTRFS_FS", module: "btrfs", purpose: "images on btrfs" },
  sha256: { symbol: "CONFIG_CRYPTO_SHA256", module: "crypto-sha256", purpose: "the hash of dm-verity" },
} as const satisfies Readonly<Record<string, Feature>>;

export type FeatureName = keyof typeof FEATURES;

export interface FeatureStatus {
  readonly feature: FeatureName;
  readonly symbol: string;
  /** `unknown` where neither the modules nor a configuration can tell. */
  readonly state: "builtin" | "module" | "absent" | "unknown";
  /** The modules that bring it, without what these need. */
  readonly modules: readonly string[];
  /** To be loaded for it, for `planModules`; empty unless the state is `module`. */
  readonly wanted: readonly WantedModule[];
}

/** How the kernel has one feature: the modules folder decides, the configuration fills in what it cannot know. */
export function featureStatus(database: ModuleDatabase, name: FeatureName, config?: KernelConfig): FeatureStatus {
  const feature: Feature = FEATURES[name];
  const { symbol, purpose, module } = feature;
  const status = (state: FeatureStatus["state"], modules: readonly string[] = []): FeatureStatus => ({
    feature: name,
    symbol,
    state,
    modules,
    wanted: modules.map((provider) => ({ name: provider, reason: `${name}, ${purpose}` })),
  });
  const providers = module === undefined ? undefined : chooseProviders(database, module);
  if (providers?.kind === "builtin") return status("builtin");
  if (providers?.kind === "modules") return status("module", providers.names);
  const configured = config?.get(symbol);
  if (configured === "y") return status("builtin");
  // Newer kernels give dm-verity sha256 as a library: an ordinary dependency, or built in under another name.
  if (name === "sha256" && usesLibrary(database)) return status("builtin");
  if (module === undefined) return status(config === undefined ? "unknown" : "absent");
  if (config === undefined && !database.knowsBuiltins) return status("unknown");
  return status("absent");
}

/**
 * The state of every feature asked for.
 * @throws UsageError in one line that names the CONFIG_ symbol of each one that the kernel does not have.
 */
export function requireFeatures(
  database: ModuleDatabase,
  names: readonly FeatureName[],
  config?: KernelConfig,
): FeatureStatus[] {
  const statuses = names.map((name) => featureStatus(database, name, config));
  const absent = statuses.filter((status) => status.state === "absent");
  if (absent.length > 0) {
    const list = absent.map(({ feature, symbol }) => describeAbsent(feature, symbol, config)).join("; ");
    throw new UsageError(`Cannot use kernel ${database.release}: it lacks ${list}`, {
      hint: "use a kernel with these options, or give its whole modules folder with --modules DIR",
    });
  }
  return statuses;
}

function describeAbsent(name: FeatureName, symbol: string, config: KernelConfig | undefined): string {
  const { purpose }: Feature = FEATURES[name];
  const missingFile = config?.get(symbol) === "m" ? ", a module whose file is missing" : "";
  return `${symbol} (${purpose}${missingFile})`;
}

function usesLibrary(database: ModuleDatabase): boolean {
  const library = "libsha256";
  return database.dependencies("dm_verity").includes(library);
}

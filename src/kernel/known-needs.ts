import type { ByteString } from "../bytes/index.ts";
import type { KernelConfig } from "./config.ts";

/**
 * Something that a module asks the kernel for when it runs, which no list of dependencies names. A running system
 * loads it through /sbin/modprobe; a first stage has none, so it must be there before.
 */
export interface KnownNeed {
  readonly module: ByteString;
  /** Names or aliases; what the kernel does not have at all is reported as absent. */
  readonly needs: readonly ByteString[];
  readonly reason: string;
}

/** What `mount -t vfat` takes without options, where the configuration is not known (fs/fat/Kconfig and distributions). */
const USUAL_CODEPAGE = "437";
const USUAL_CHARSETS: readonly string[] = ["ascii", "iso8859-1"];

/** The needs of the modules that first stages use; the configuration makes those of vfat exact. */
export function knownNeeds(config?: KernelConfig): KnownNeed[] {
  const codepage = config?.get("CONFIG_FAT_DEFAULT_CODEPAGE") ?? USUAL_CODEPAGE;
  const charset = config?.get("CONFIG_FAT_DEFAULT_IOCHARSET");
  const charsets = charset === undefined ? USUAL_CHARSETS : [charset];
  return [
    {
      module: "libcrc32c",
      needs: ["crypto-crc32c"],
      reason: "its start fails without an implementation of crc32c (lib/libcrc32c.c, up to Linux 6.13)",
    },
    { module: "dm_verity", needs: ["crypto-sha256"], reason: "verity's usual hash" },
    {
      module: "vfat",
      needs: [`nls_cp${codepage}`, ...charsets.map((name) => `nls_${name}`)],
      reason: "a mount without options loads the default character sets (fs/fat/inode.c)",
    },
  ];
}

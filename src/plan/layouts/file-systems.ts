import { UsageError } from "../../bytes/index.ts";
import type { FeatureName } from "../../kernel/index.ts";

/** How the first stage reads a type of file system. It never writes to one: a machine may be about to wake up. */
export interface FileSystemType {
  readonly name: string;
  readonly features: readonly FeatureName[];
  /** For mount(2); "" for none. */
  readonly options: string;
  /** Whether a file can be read from where it stands on the device, without the file system. */
  readonly canBeMapped: boolean;
}

const TYPES: Readonly<Record<string, Omit<FileSystemType, "name">>> = {
  // A journal is written to the disk where it belongs by the next stage, or by a system that wakes up.
  ext4: { features: ["ext4"], options: "noload", canBeMapped: true },
  xfs: { features: ["xfs"], options: "norecovery,nouuid", canBeMapped: true },
  // Names are ASCII, which the kernel's default table knows: one module less.
  vfat: { features: ["vfat", "fat-codepage"], options: "codepage=437,iocharset=default", canBeMapped: true },
  // Its addresses are not those of the device.
  btrfs: { features: ["btrfs"], options: "rescue=nologreplay", canBeMapped: false },
};

/** @throws UsageError when the first stage has nothing to do with it. */
export function fileSystemType(name: string): FileSystemType {
  const type = TYPES[name];
  if (type !== undefined) return { name, ...type };
  throw new UsageError(`Cannot use [location] file-system = ${JSON.stringify(name)}`, {
    hint: `give the type of the file system that holds the image: ${Object.keys(TYPES).join(", ")}`,
  });
}

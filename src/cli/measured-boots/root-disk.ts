import { openRoot, planRootDisk, writeDisk } from "../../disk/index.ts";
import { OutputFile } from "../../host/index.ts";

/** A disk with the root file system that initrds hand over to. */
export interface RootDisk {
  readonly path: string;
  /** What tells the initrd which one it is. */
  readonly commandLine: string;
}

/**
 * Writes a disk with a root file system: an image of one as it is, or a folder as EROFS.
 * @throws UsageError when it is neither.
 */
export function writeRootDisk(root: string, path: string): RootDisk {
  const opened = openRoot(root);
  try {
    const plan = planRootDisk(opened.fileSystem);
    const output = new OutputFile(path, { force: false });
    output.requireSpace(plan.usedBytes);
    output.writeSparse(plan.sizeBytes, (sink) => writeDisk(plan, sink));
    output.commit();
    return { path, commandLine: `root=PARTUUID=${opened.fileSystem.partitionGuid} ro` };
  } finally {
    opened.close();
  }
}

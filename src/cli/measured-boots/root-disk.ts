import { rmSync } from "node:fs";
import { openRoot, planRootDisk, writeDisk } from "../../disk/index.ts";
import { isFolder, makeExt4, OutputFile, readHostTree } from "../../host/index.ts";

/** A disk with the root file system that initrds hand over to. */
export interface RootDisk {
  readonly path: string;
  /** What it was made of. */
  readonly source: string;
  /** What tells the initrd which one it is, and how it is mounted. */
  readonly commandLine: string;
}

/**
 * Writes a disk with a root file system: an image of one as it is, or a folder as ext4. Systems write to their root: on one that
 * cannot be written to, services fail and are started again until systemd gives them up, and what is measured is that.
 * @throws UsageError when it is neither, or there is no mke2fs.
 */
export function writeRootDisk(root: string, path: string): RootDisk {
  if (!isFolder(root)) return writeWithImage(root, root, path);
  const image = `${path}.ext4`;
  try {
    makeExt4(root, readHostTree(root), image);
    return writeWithImage(image, root, path);
  } finally {
    rmSync(image, { force: true });
  }
}

function writeWithImage(image: string, source: string, path: string): RootDisk {
  const { fileSystem, close } = openRoot(image);
  try {
    const plan = planRootDisk(fileSystem);
    const output = new OutputFile(path, { force: false });
    output.requireSpace(plan.usedBytes);
    output.writeSparse(plan.sizeBytes, (sink) => writeDisk(plan, sink));
    output.commit();
    const access = fileSystem.isReadOnly ? "ro" : "rw";
    return { path, source, commandLine: `root=PARTUUID=${fileSystem.partitionGuid} ${access}` };
  } finally {
    close();
  }
}

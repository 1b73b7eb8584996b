import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { MemorySink } from "../../src/bytes/index.ts";
import { compress, type OutputMethod } from "../../src/formats/compression/index.ts";
import { encodeCpio } from "../../src/formats/cpio/index.ts";
import { directory, regularFile, symlink, Tree } from "../../src/tree/index.ts";
import { sampleBzImage, sampleModule } from "./kernel-samples.ts";

export const SAMPLE_RELEASE = "6.12.1-test";

/** Enough content that the image is not all metadata, small enough that a build takes a moment. */
const FILLER_BYTES = 200_000;

/** A tree that lazyrd takes for systemd's initrd. */
export function sampleInitrdTree(): Tree {
  const tree = new Tree();
  tree.setWithParents("usr/lib/systemd/systemd", regularFile(Buffer.from("#!systemd"), { permissions: 0o755 }));
  tree.set("init", symlink("usr/lib/systemd/systemd"));
  tree.setWithParents("etc/initrd-release", regularFile(Buffer.from("ID=test\n")));
  const filler = new Uint8Array(FILLER_BYTES).map((_, index) => (index * 7) % 251);
  tree.setWithParents("usr/share/filler", regularFile(filler));
  tree.set("dev", directory());
  return tree;
}

export function encodeArchive(tree: Tree): Uint8Array {
  const sink = new MemorySink();
  encodeCpio(tree, sink);
  return sink.bytes();
}

export async function sampleInitrd(method: OutputMethod = "zstd"): Promise<Uint8Array> {
  return compress(encodeArchive(sampleInitrdTree()), { method });
}

/** What a modules folder of SAMPLE_RELEASE holds that has all that an image needs; contents by path. */
export function sampleModuleFiles(release = SAMPLE_RELEASE): Record<string, string | Uint8Array> {
  const vermagic = `vermagic=${release} SMP preempt mod_unload modversions `;
  const module = (name: string, ...more: string[]) => sampleModule(["license=GPL", ...more, `name=${name}`, vermagic]);
  const paths = {
    "dm-mod": "kernel/drivers/md/dm-mod.ko",
    "dm-verity": "kernel/drivers/md/dm-verity.ko",
    erofs: "kernel/fs/erofs/erofs.ko",
    overlay: "kernel/fs/overlayfs/overlay.ko",
    virtio_blk: "kernel/drivers/block/virtio_blk.ko",
  } as const;
  const alias = "virtio:d00000002v*";
  return {
    [paths["dm-mod"]]: module("dm_mod"),
    [paths["dm-verity"]]: module("dm_verity", "depends=dm-mod"),
    // What a module needs of the kernel stands in it by name; this one can read images compressed with LZ4.
    [paths.erofs]: module("erofs", "needs=LZ4_decompress_safe_partial", "says=bogus xattr ibody"),
    [paths.overlay]: module("overlay"),
    [paths.virtio_blk]: module("virtio_blk", `alias=${alias}`),
    "modules.dep": [
      `${paths["dm-mod"]}:`,
      `${paths["dm-verity"]}: ${paths["dm-mod"]}`,
      `${paths.erofs}:`,
      `${paths.overlay}:`,
      `${paths.virtio_blk}:`,
      "",
    ].join("\n"),
    "modules.alias": `alias ${alias} virtio_blk\n`,
    "modules.builtin": "kernel/crypto/sha256_generic.ko\n",
    "modules.builtin.modinfo":
      "sha256_generic.file=crypto/sha256_generic\0sha256_generic.license=GPL\0sha256_generic.alias=crypto-sha256\0",
  };
}

/** Writes files (contents by path) below `folder`, with the folders they need. */
export function writeFiles(folder: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

/** A kernel, an initrd and modules on disk that `lazyrd build` takes. */
export interface SampleInputs {
  readonly kernel: string;
  readonly initrd: string;
  readonly modules: string;
}

export async function writeSampleInputs(folder: string): Promise<SampleInputs> {
  const inputs = {
    kernel: join(folder, "vmlinuz"),
    initrd: join(folder, "initrd.img"),
    modules: join(folder, "modules"),
  };
  writeFileSync(inputs.kernel, sampleBzImage());
  writeFileSync(inputs.initrd, await sampleInitrd());
  writeFiles(inputs.modules, sampleModuleFiles());
  return inputs;
}

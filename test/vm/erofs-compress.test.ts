import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { chunksOf } from "../../src/bytes/index.ts";
import { readInitramfs, treeOfInitramfs } from "../../src/formats/cpio/index.ts";
import { encodeProfile } from "../../src/profile/index.ts";
import { anyProfile } from "../support/erofs-order.ts";
import { initrdFixture, type KernelFlavour } from "../support/fixtures.ts";
import { generation } from "../support/vm-generations.ts";
import { probeFor, section } from "../support/vm-probe.ts";
import { bootToReport } from "../support/vm-story.ts";

const DIGESTS = [
  "bb mkdir /tmp/image",
  "bb mount -t erofs -o ro /dev/dm-0 /tmp/image",
  "cd /tmp/image",
  "bb find . -type f -print | bb sort > /tmp/names",
  'while read -r name; do bb sha256sum "$name"; done < /tmp/names',
].join(" && ");

// LZ4 at its fast level is the default: the story of the whole image (image.test.ts) reads that, on three kernels.
const images: readonly (readonly [kernel: KernelFlavour, compression: string, layout: "as usual" | "by a profile"])[] =
  [
    ["6.1-amd64", "lz4hc", "as usual"],
    ["6.1-amd64", "lz4", "by a profile"],
    ["6.12-amd64", "lz4hc", "as usual"],
    ["6.12-amd64", "lz4", "by a profile"],
    ["6.12-amd64", "zstd", "as usual"],
    ["6.12-amd64", "zstd", "by a profile"],
  ];

/** All of an image is read and hashed by an emulated processor: several times what other stories take. */
const TIMEOUT_SECONDS = 1800;

/** Any seed cuts files in all ways. */
const SEED = 5;

for (const [kernel, compression, layout] of images) {
  test(`${kernel} reads every file of an image that is compressed with ${compression} and laid out ${layout}`, async () => {
    const initramfs = await readInitramfs(readFileSync(initrdFixture("initramfs-tools", kernel)));
    const { tree } = treeOfInitramfs(initramfs, { includeEarly: false });
    const built = generation({
      initrd: "initramfs-tools",
      kernel,
      config: `[image]\ncompression = "${compression}"\n[first-stage]\ncompression = "gzip"\n`,
      ...(layout === "by a profile" ? { profile: encodeProfile(anyProfile(tree, SEED)) } : {}),
    });
    const report = await bootToReport(built, {
      append: probeFor("initramfs-tools", { digests: DIGESTS }),
      timeoutSeconds: TIMEOUT_SECONDS,
    });
    const expected: string[] = [];
    for (const { path, node } of tree.walk()) {
      if (node.kind !== "file") continue;
      const hash = createHash("sha256");
      for (const chunk of chunksOf(node.content)) hash.update(chunk);
      expected.push(`${hash.digest("hex")}  ./${path}`);
    }
    expect(section(report, "digests").sort()).toEqual(expected.sort());
  });
}

import { expect, test } from "vitest";
import { encodeProfile } from "../../src/profile/index.ts";
import { anyProfile } from "../support/erofs-order.ts";
import type { KernelFlavour } from "../support/fixtures.ts";
import { contentsOf, differences, LISTING_SECTIONS, treeOfInitrd } from "../support/image-listing.ts";
import { generation } from "../support/vm-generations.ts";
import { probeFor, section } from "../support/vm-probe.ts";
import { bootToReport } from "../support/vm-story.ts";

// LZ4 at its fast level, laid out as usual, is the default: the stories of the next stage read that, on three kernels.
// The profile leaves some files alone and cuts others anywhere, so that each image has files of both kinds.
const images: readonly (readonly [kernel: KernelFlavour, compression: string])[] = [
  ["6.1-amd64", "lz4hc"],
  ["6.12-amd64", "lz4"],
  ["6.12-amd64", "zstd"],
];

/** All of an image is read and hashed by an emulated processor: several times what other stories take. */
const TIMEOUT_SECONDS = 1800;

/** Any seed cuts files in all ways. */
const SEED = 5;

for (const [kernel, compression] of images) {
  test(`${kernel} reads every file of an image that is compressed with ${compression} and cut by a profile`, async () => {
    const tree = await treeOfInitrd("initramfs-tools", kernel);
    const built = generation({
      initrd: "initramfs-tools",
      kernel,
      config: `[image]\ncompression = "${compression}"\n[first-stage]\ncompression = "gzip"\n`,
      profile: encodeProfile(anyProfile(tree, SEED)),
    });
    const report = await bootToReport(built, {
      append: probeFor("initramfs-tools", LISTING_SECTIONS),
      timeoutSeconds: TIMEOUT_SECONDS,
    });
    expect(differences(section(report, "contents"), contentsOf(tree))).toEqual([]);
  });
}

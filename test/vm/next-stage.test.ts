import { expect, test } from "vitest";
import type { Generation } from "../../src/build/index.ts";
import { regularFile } from "../../src/tree/index.ts";
import type { KernelFlavour } from "../support/fixtures.ts";
import {
  contentsOf,
  differences,
  entriesOf,
  LISTING_SECTIONS,
  treeOfInitrd,
  withoutDirectorySize,
} from "../support/image-listing.ts";
import { generation } from "../support/vm-generations.ts";
import { probeFor, type Report, section, USUAL_SECTIONS } from "../support/vm-probe.ts";
import { bootToReport } from "../support/vm-story.ts";

type Initrd = "dracut" | "initramfs-tools";

/** Of some images everything is compared with the initrd that they were made of, which takes an emulated processor long. */
const machines: readonly (readonly [initrd: Initrd, kernel: KernelFlavour, isCompared: boolean])[] = [
  ["dracut", "6.12-amd64", true],
  ["dracut", "6.1-amd64", false],
  ["dracut", "6.1-cloud-amd64", true],
  ["initramfs-tools", "6.12-amd64", false],
  ["initramfs-tools", "6.1-amd64", true],
];
const COMPARISON_MEMORY_MIB = 2048;

/** Where systemd-stub puts what it found beside the UKI. */
const CREDENTIAL = ".extra/credentials/motd.cred";
const APPENDED = "etc/lazyrd-appended";

const describeFile = (path: string) => `bb stat -c '%a %u:%g %F' /${path}; bb cat /${path}`;
const SECTIONS = {
  ...USUAL_SECTIONS,
  credential: describeFile(CREDENTIAL),
  appended: describeFile(APPENDED),
  root: "bb ls -A -1 /",
  mount: LISTING_SECTIONS.mount,
  image: "bb ls -A -1 /tmp/image",
};

for (const [initrd, kernel, isCompared] of machines) {
  const what = isCompared ? "with all that was in it and all that was appended" : "with all that was appended";
  test(`the init of ${initrd} on ${kernel} comes up in the verified image, ${what}`, async () => {
    const built = generation({ initrd, kernel });
    const append = probeFor(initrd, isCompared ? { ...SECTIONS, ...LISTING_SECTIONS } : SECTIONS);
    append.setWithParents(CREDENTIAL, regularFile(Buffer.from("a secret\n"), { permissions: 0o600 }));
    append.setWithParents(APPENDED, regularFile(Buffer.from("appended\n"), { permissions: 0o640, uid: 7, gid: 8 }));
    const report = await bootToReport(built, { append, ...(isCompared ? { memoryMib: COMPARISON_MEMORY_MIB } : {}) });

    expectImageAsRoot(report, built, initrd);
    expect(section(report, "credential")).toEqual(["600 0:0 regular file", "a secret"]);
    expect(section(report, "appended")).toEqual(["640 7:8 regular file", "appended"]);
    expectTimeline(report, built);
    if (isCompared) await expectWholeImage(report, initrd, kernel);
  });
}

/** The kernel finds in the image all that is in the initrd, and nothing else. */
async function expectWholeImage(report: Report, initrd: Initrd, kernel: KernelFlavour): Promise<void> {
  const tree = await treeOfInitrd(initrd, kernel);
  expect(differences(section(report, "entries").map(withoutDirectorySize), entriesOf(tree))).toEqual([]);
  expect(differences(section(report, "contents"), contentsOf(tree))).toEqual([]);
}

/** "/" is what this kind of init insists on, and what it shows comes from the image, which verity guards. */
function expectImageAsRoot(report: Report, built: Generation, initrd: Initrd): void {
  const { rootHash } = built.manifest.image;
  expect(section(report, "dm")).toEqual([`root CRYPT-VERITY-${rootHash.slice(0, 32)}-root 1`]);
  const mounts = section(report, "mounts").map((line) => line.split(" "));
  const typeAt = (place: string) => mounts.find(([, target]) => target === place)?.[2];
  expect(typeAt("/")).toBe(initrd === "dracut" ? "overlay" : "tmpfs");
  if (initrd === "initramfs-tools") expect(typeAt("/usr")).toBe("overlay");
  const overlay = mounts.find(([, , type]) => type === "overlay");
  expect(overlay?.[3]).toContain("lowerdir=/lazyrd/image,");
  // Nothing of the first stage is in sight, and nothing of the image is missing.
  const root = section(report, "root");
  expect(root).not.toContain("lazyrd");
  const image = section(report, "image");
  expect(image).toContain("usr");
  expect(root).toEqual(expect.arrayContaining(image));
}

/** The next stage finds out what each step took: every line of the plan but the policy and the switch itself. */
function expectTimeline(report: Report, built: Generation): void {
  const timeline = JSON.parse(section(report, "timeline").join("\n"));
  const lines = built.manifest.explanation.steps.map(({ line }) => line);
  const steps: { step: string; startUs: number; endUs: number }[] = timeline.steps;
  expect(steps.map(({ step }) => step)).toEqual(lines.filter((line) => !/^(failure|switch) /.test(line)));
  const moments = [
    timeline.firstLineUs,
    ...steps.flatMap(({ startUs, endUs }) => [startUs, endUs]),
    timeline.handOverUs,
  ];
  expect(moments).toEqual([...moments].sort((a, b) => a - b));
}

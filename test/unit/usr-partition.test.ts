import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { usrPartitionOf, whyNotInUsr } from "../../src/build/usr-partition.ts";
import { MemorySource, UsageError } from "../../src/bytes/index.ts";
import { layoutOf, NO_SETTINGS, stepLine } from "../../src/plan/index.ts";
import { regularFile, Tree } from "../../src/tree/index.ts";
import { usrDisk } from "../support/usr-disk.ts";

const IMAGE = Buffer.from("the image");
const PATH = "/lib/lazyrd/0123456789abcdef.raw";

function disk(designator: "root" | "usr", image: Uint8Array | undefined = IMAGE) {
  const tree = new Tree();
  tree.setWithParents("lib/os-release", regularFile(Buffer.from("ID=usr\n")));
  if (image !== undefined) tree.setWithParents(PATH.slice(1), regularFile(image));
  const { bytes, rootHash } = usrDisk(tree, designator);
  return { input: { path: "usr.raw", source: new MemorySource(bytes) }, rootHash };
}

const sha256 = createHash("sha256").update(IMAGE).digest("hex");

test("a plan learns of /usr what it needs to open it", () => {
  const { input, rootHash } = disk("usr");
  const usr = usrPartitionOf(input);
  expect(usr).toMatchObject({ rootHash, salt: "00ff", hashStartBlock: 1 });
  const layout = layoutOf("usr-file", { ...NO_SETTINGS, usr: "usr.raw" });
  const image = {
    ...{ dataPartition: "d", hashPartition: "h", dataOffsetBytes: 4096, hashOffsetBytes: 8192, sizeBytes: 20_480 },
    ...{ rootHash: "0123456789abcdef".repeat(4), salt: "", dataBlocks: 1, hashStartBlock: 1 },
  };
  const options = { timeoutSeconds: 5, onCorruption: "panic", usr } as const;
  const steps = layout.steps(image, options).map(stepLine);
  expect(steps).toEqual([
    `device usr-data partuuid=${usr.dataPartition} timeout=5s`,
    `device usr-hash partuuid=${usr.hashPartition} timeout=5s`,
    expect.stringMatching(
      `^verity usr data=usr-data hash=usr-hash .*root-hash=${rootHash} salt=00ff on-corruption=panic`,
    ),
    "mount usr /lazyrd/usr erofs",
    `loop image /lazyrd/usr${PATH} offset=4096 size=16384`,
    expect.stringMatching("^verity root data=image hash=image data-blocks=1 hash-start=2 "),
    "mount root /lazyrd/image erofs",
  ]);
  expect(layout.lastSteps?.(options).map(stepLine).at(-1)).toBe("move /lazyrd/usr /lazyrd/new/sysusr/usr");
  // An image that has left out what /usr has is laid over that before the root directory takes the image's mount.
  const asLayer = { ...options, isLayer: true };
  expect(layout.steps(image, asLayer).map(stepLine)).toEqual([
    ...steps,
    "overlay /lazyrd/laid-over lower=/lazyrd/image/usr:/lazyrd/usr",
  ]);
  expect(layout.lastSteps?.(asLayer).map(stepLine)).toEqual([
    "move /lazyrd/laid-over /lazyrd/new/usr",
    "mount none /lazyrd/new/sysusr tmpfs options=mode=0755",
    "mount usr /lazyrd/new/sysusr/usr erofs",
  ]);
});

test("a disk without a verified /usr is refused", () => {
  expect(() => usrPartitionOf(disk("root").input)).toThrow(UsageError);
  expect(() => usrPartitionOf(disk("root").input)).toThrow(/usr.raw as \/usr: expected exactly one usr partition/);
});

test("whether the image is in /usr is told where it can be told", async () => {
  const file = { path: PATH, sha256 };
  expect(await whyNotInUsr(disk("usr").input, "erofs", file)).toBeUndefined();
  expect(await whyNotInUsr(disk("usr", Buffer.from("")).input, "erofs", file)).toMatch(
    /is another image: put image.raw/,
  );
  const other = { path: "/lib/lazyrd/other.raw", sha256 };
  expect(await whyNotInUsr(disk("usr").input, "erofs", other)).toMatch(
    /usr.raw does not hold \/lib\/lazyrd\/other.raw/,
  );
  expect(await whyNotInUsr(disk("usr").input, "btrfs", file)).toMatch(/cannot be told of a btrfs/);
});

test.each([
  [{}, /needs \[location\] usr/],
  [{ usr: "usr.raw", "file-system": "vfat" }, /to know its file system/],
  [{ usr: "usr.raw", folder: "lib/../.." }, /Cannot use \[location\] folder/],
  [{ usr: "usr.raw", device: "LABEL=x" }, /\[location\] device: the layout "usr-file" takes usr, file-system, folder/],
])("settings that make no sense are refused: %j", (given, message) => {
  expect(() => layoutOf("usr-file", { ...NO_SETTINGS, ...given })).toThrow(message);
});

import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { usrPartitionOf, whyNotInUsr } from "../../src/build/usr-partition.ts";
import { type ByteSink, MemorySource, toHex, UsageError } from "../../src/bytes/index.ts";
import { planDdi, writeDdi } from "../../src/formats/ddi/index.ts";
import { encodeErofs } from "../../src/formats/erofs/index.ts";
import { layoutOf, NO_SETTINGS, stepLine } from "../../src/plan/index.ts";
import { regularFile, Tree } from "../../src/tree/index.ts";

const UUID = "145abf5b-6a0f-4ed6-a9fb-0123456789ab";
const IMAGE = Buffer.from("the image");
const PATH = "/lib/lazyrd/0123456789abcdef.raw";

function disk(designator: "root" | "usr", image: Uint8Array | undefined = IMAGE) {
  const tree = new Tree();
  tree.setWithParents("lib/os-release", regularFile(Buffer.from("ID=usr\n")));
  if (image !== undefined) tree.setWithParents(PATH.slice(1), regularFile(image));
  const content = encodeErofs(tree, { uuid: UUID });
  const plan = planDdi({
    designator,
    architecture: "x86-64",
    data: { sizeBytes: content.length, emit: (sink: ByteSink) => sink.write(content) },
    verity: { salt: Buffer.from("00ff", "hex"), uuid: UUID },
  });
  const bytes = new Uint8Array(plan.sizeBytes);
  const { tree: hashes } = writeDdi(plan, { writeAt: (offset, part) => bytes.set(part, offset) });
  return { input: { path: "usr.raw", source: new MemorySource(bytes) }, rootHash: toHex(hashes.rootHash) };
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
  const steps = layout.steps(image, { timeoutSeconds: 5, onCorruption: "panic", usr }).map(stepLine);
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
  expect(layout.lastSteps?.().map(stepLine).at(-1)).toBe("move /lazyrd/usr /lazyrd/new/sysusr/usr");
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

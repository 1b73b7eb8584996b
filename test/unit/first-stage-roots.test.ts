import { describe, expect, test } from "vitest";
import { directory, regularFile, symlink, Tree } from "../../src/tree/index.ts";
import { failEachCall, failureOf, goodBoot } from "./first-stage/faults.ts";
import { BLOCK, makeImage } from "./first-stage/image.ts";
import { planFor, type Story, tell } from "./first-stage/machine.ts";

const program = { permissions: 0o755 };
const text = (content: string) => regularFile(Buffer.from(content, "latin1"));

/** An operating system of which /usr is the image. */
function usrImage() {
  const tree = new Tree();
  tree.setWithParents("lib/systemd/systemd", regularFile(Buffer.from("\x7fELF systemd"), program));
  tree.setWithParents("share/factory/etc/hostname", text("machine\n"));
  tree.setWithParents("share/factory/var/lib/state", text("0\n"));
  return makeImage({ tree });
}

/** The same with everything in its place. */
function systemImage() {
  const tree = new Tree();
  tree.setWithParents("usr/lib/systemd/systemd", regularFile(Buffer.from("\x7fELF systemd"), program));
  tree.setWithParents("etc/hostname", text("machine\n"));
  tree.setWithParents("var/lib/state", text("0\n"));
  for (const name of ["dev", "proc", "sys", "run"]) tree.set(name, directory());
  return makeImage({ tree });
}

/** An image that has left out what the machine's /usr has, as a file in that. */
function layerInUsr() {
  const layer = new Tree();
  layer.setWithParents("etc/initrd-release", text("ID=layer\n"));
  layer.setWithParents("usr/lib/only-image", text("image\n"));
  layer.set("usr/lib/both", text("image\n"));
  const image = makeImage({ tree: layer });
  const tree = new Tree();
  tree.setWithParents("lib/systemd/systemd", regularFile(Buffer.from("\x7fELF systemd"), program));
  tree.set("lib/both", text("machine\n"));
  tree.setWithParents(IN_USR, regularFile(image.disk));
  return { image, usr: makeImage({ tree }) };
}

const IN_USR = "lib/lazyrd/0123456789abcdef.raw";
const INIT = "/usr/lib/systemd/systemd";
/** Up to the mounted image. */
const stepsTo = (image: ReturnType<typeof makeImage>): string[] => planFor(image).slice(0, 7);

const usr = usrImage();
const usrStory: Story = {
  image: usr,
  append: (tree) => tree.set("lib", symlink("usr/lib")),
  plan: [
    ...stepsTo(usr),
    "mount none /lazyrd/new tmpfs options=mode=0755",
    "move /lazyrd/image /lazyrd/new/usr",
    "overlay /lazyrd/new/etc lower=/lazyrd/new/usr/share/factory/etc",
    "overlay /lazyrd/new/var lower=/lazyrd/new/usr/share/factory/var",
    "forward /lazyrd/new",
    `switch /lazyrd/new ${INIT}`,
  ],
};

const system = systemImage();
const readOnlyStory: Story = {
  image: system,
  plan: [
    ...stepsTo(system),
    "move /lazyrd/image /lazyrd/new",
    "overlay /lazyrd/new/etc lower=/lazyrd/new/etc",
    "overlay /lazyrd/new/var lower=/lazyrd/new/var",
    `switch /lazyrd/new ${INIT}`,
  ],
};

const { image: layer, usr: machine } = layerInUsr();
const used = layer.disk.length - layer.dataOffset;
const layerStory: Story = {
  image: machine,
  plan: [
    "failure reboot after=5s",
    ...planFor(machine).slice(1, 5),
    `verity usr data=data hash=hash data-blocks=${machine.blocks} hash-start=1 root-hash=${machine.rootHash} salt=${machine.salt} on-corruption=panic`,
    "mount usr /lazyrd/usr erofs",
    "modules loop",
    `loop image /lazyrd/usr/${IN_USR} offset=${layer.dataOffset} size=${used - (used % BLOCK)}`,
    `verity root data=image hash=image data-blocks=${layer.blocks} hash-start=${(layer.hashOffset - layer.dataOffset) / BLOCK + 1} root-hash=${layer.rootHash} salt=${layer.salt} on-corruption=panic`,
    "mount root /lazyrd/image erofs",
    "overlay /lazyrd/laid-over lower=/lazyrd/image/usr:/lazyrd/usr",
    "overlay /lazyrd/new lower=/lazyrd/image",
    "move /lazyrd/laid-over /lazyrd/new/usr",
    "mount none /lazyrd/new/sysusr tmpfs options=mode=0755",
    "mount usr /lazyrd/new/sysusr/usr erofs",
    "forward /lazyrd/new",
    `switch /lazyrd/new ${INIT}`,
  ],
};

describe("a root directory whose image has left out what /usr has", () => {
  const { end, kernel } = tell({
    ...layerStory,
    append: (tree) => tree.setWithParents("usr/lib/appended", text("1\n")),
  });

  test("shows both in /usr, the image on top, and /usr alone where the initrd takes it over", () => {
    expect(end).toEqual({ kind: "exec", path: INIT });
    expect(["/", "/usr", "/sysusr/usr"].map((path) => kernel.files.fileSystemType(path))).toEqual([
      ...["overlay", "overlay", "erofs"],
    ]);
    const read = (path: string) => kernel.files.text(path);
    expect(["/etc/initrd-release", "/usr/lib/only-image", "/usr/lib/both", "/sysusr/usr/lib/both"].map(read)).toEqual([
      ...["ID=layer\n", "image\n", "image\n", "machine\n"],
    ]);
    expect(read("/usr/lib/systemd/systemd")).toBe("\x7fELF systemd");
    // What a loader appended is not covered by the machine's /usr.
    expect(read("/usr/lib/appended")).toBe("1\n");
  });

  test("leaves nothing of the first stage behind, and nothing open when it is left", () => {
    expect(kernel.rootfsFiles).toEqual([]);
    const types = [...kernel.mounts.all()].map(({ fileSystem }) => fileSystem.type);
    expect(types.filter((type) => type === "erofs")).toHaveLength(1);
    kernel.leaveRoot();
    expect(kernel.loopDevices.bound).toBe(0);
  });
});

describe("a root directory around /usr", () => {
  const { end, kernel } = tell(usrStory);

  test("has the image as /usr, and the rest in memory", () => {
    expect(end).toEqual({ kind: "exec", path: INIT });
    const types = ["/", "/usr", "/etc", "/var"].map((path) => kernel.files.fileSystemType(path));
    expect(types).toEqual(["tmpfs", "erofs", "overlay", "overlay"]);
    expect(kernel.files.text("/etc/hostname")).toBe("machine\n");
    expect(kernel.files.text("/lib/systemd/systemd")).toBe("\x7fELF systemd");
  });

  test("leaves nothing of the first stage behind", () => {
    expect(kernel.rootfsFiles).toEqual([]);
    expect(kernel.descriptors.count).toBe(0);
  });
});

test("a read-only root directory has a writable /etc and /var", () => {
  const { end, kernel } = tell(readOnlyStory);
  expect(end).toEqual({ kind: "exec", path: INIT });
  const types = ["/", "/etc", "/var"].map((path) => kernel.files.fileSystemType(path));
  expect(types).toEqual(["erofs", "overlay", "overlay"]);
  expect(kernel.files.text("/var/lib/state")).toBe("0\n");
});

test("an overlay of several layers shows the first one on top", () => {
  const plan = [
    ...stepsTo(system),
    "mount none /lazyrd/top tmpfs",
    "overlay /lazyrd/new lower=/lazyrd/top:/lazyrd/image",
    `switch /lazyrd/new ${INIT}`,
  ];
  const { end, kernel } = tell({ image: system, plan });
  expect(end).toEqual({ kind: "exec", path: INIT });
  expect(kernel.files.text("/etc/hostname")).toBe("machine\n");
  // All layers are held by the overlay alone.
  const types = [...kernel.mounts.all()].map(({ fileSystem }) => fileSystem.type);
  expect(types.filter((type) => type === "erofs")).toEqual([]);
});

test("what is not mounted cannot be moved", () => {
  const plan = [...stepsTo(system), "move /lazyrd/nothing /lazyrd/new", `switch /lazyrd/new ${INIT}`];
  expect(failureOf(tell({ image: system, plan }))).toMatchObject({
    verb: "move",
    message: expect.stringContaining("cannot move /lazyrd/nothing to /lazyrd/new: "),
  });
});

test.each([
  ["around /usr", usrStory],
  ["that is read-only", readOnlyStory],
  ["laid over /usr", layerStory],
])("each system call on the way to a root directory %s fails once", (_, story) => {
  const good = goodBoot(story, INIT);
  failEachCall(good, "EIO");
});

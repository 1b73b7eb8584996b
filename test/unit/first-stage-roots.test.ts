import { describe, expect, test } from "vitest";
import { directory, regularFile, symlink, Tree } from "../../src/tree/index.ts";
import { failEachCall, failureOf, goodBoot } from "./first-stage/faults.ts";
import { makeImage } from "./first-stage/image.ts";
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
])("each system call on the way to a root directory %s fails once", (_, story) => {
  const good = goodBoot(story, INIT);
  failEachCall(good, "EIO");
});

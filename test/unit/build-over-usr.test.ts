import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readGeneration } from "../../src/build/index.ts";
import { compareTrees, withContent } from "../../src/content/index.ts";
import { copyTree } from "../../src/transform/copy.ts";
import { directory, regularFile, symlink, Tree } from "../../src/tree/index.ts";
import { encodeArchive, SAMPLE_RELEASE, sampleInitrdTree, writeSampleInputs } from "../support/build-inputs.ts";
import { lazyrd } from "../support/cli.ts";
import { overlay } from "../support/overlay.ts";
import { tempFolder } from "../support/temp.ts";
import { run } from "../support/tools.ts";
import { usrDisk } from "../support/usr-disk.ts";

const file = (text: string) => regularFile(Buffer.from(text));
/** A name that sha256sum has to escape. */
const UNIT = "lib/systemd/system/dev-a\\x2db.device";

/** What initrd and machine have in common, and one file that they have each in their own way. */
function initrdTree(): Tree {
  const tree = sampleInitrdTree();
  tree.setWithParents(`usr/${UNIT}`, file("[Unit]\n"));
  tree.setWithParents("usr/lib/own", file("the initrd's\n"));
  tree.set("usr/lib/modules", directory());
  tree.set(`usr/lib/modules/${SAMPLE_RELEASE}`, directory());
  return tree;
}

/** The machine's /usr: all of the initrd's, the one file in another way, and more. */
function machineUsr(): Tree {
  const { root } = copyTree(initrdTree());
  const usr = root.entries.get("usr");
  if (usr?.kind !== "directory") throw new Error("The initrd has no /usr");
  const tree = new Tree(usr);
  tree.set("lib/own", file("the machine's\n"));
  tree.set("lib/systemd/only-machine", file("1\n"));
  tree.setWithParents("games/nethack", file("2\n"));
  tree.set("lib64", symlink("lib"));
  return tree;
}

interface Attempt {
  readonly against?: string | Tree;
  /** The /usr that the plan is for. */
  readonly usr?: Tree;
  readonly settings?: string;
  readonly initrd?: Tree;
}

/** Builds for a /usr, against that one when nothing else is said. */
async function build({ usr = machineUsr(), settings = "", initrd = initrdTree(), against }: Attempt = {}) {
  const folder = tempFolder();
  const inputs = await writeSampleInputs(folder);
  writeFileSync(inputs.initrd, encodeArchive(initrd));
  appendFileSync(join(inputs.modules, "modules.builtin"), "kernel/drivers/block/loop.ko\nkernel/fs/ext4/ext4.ko\n");
  const disk = usrDisk(usr);
  const usrPath = join(folder, "usr.raw");
  writeFileSync(usrPath, disk.bytes);
  const config = join(folder, "lazyrd.toml");
  writeFileSync(config, `layout = "usr-file"\n[location]\nusr = "${usrPath}"\n${settings}`);
  const output = join(folder, "generation");
  const base = against instanceof Tree ? folderOf(against) : (against ?? usrPath);
  const result = lazyrd([
    ...["build", "--quiet", "--kernel", inputs.kernel, "--initrd", inputs.initrd, "--modules", inputs.modules],
    ...["--drivers", "virtio", "--config", config, "--output", output, "--against", base],
  ]);
  return { ...result, ...disk, output, usrPath, manifest: () => readGeneration(output).manifest };
}

function folderOf(tree: Tree): string {
  const folder = tempFolder();
  for (const { path, node } of tree.walk()) {
    if (node.kind === "directory") mkdirSync(join(folder, path), { recursive: true });
    if (node.kind === "file")
      writeFileSync(join(folder, path), node.content.read(0, node.content.size), { mode: node.permissions });
    if (node.kind === "symlink") run("ln", ["-s", node.target, join(folder, path)]);
  }
  return folder;
}

/** /usr with the image of a generation where its plan looks for it. */
function withImage({ output, manifest }: Awaited<ReturnType<typeof build>>): Tree {
  const usr = machineUsr();
  const { place } = manifest();
  if (place.kind !== "usr") throw new Error(`The image belongs to ${place.kind}`);
  usr.setWithParents(place.path.slice(1), regularFile(readFileSync(join(output, "image.raw"))));
  return usr;
}

describe("an image in a /usr that has most of it", () => {
  test("leaves that out, and is the same once it is there", async () => {
    const first = await build();
    expect(first.stderr).toMatch(/^warning: .*usr\.raw does not hold \/lib\/lazyrd\/.*: put image\.raw there/);
    const second = await build({ usr: withImage(first) });
    expect([second.status, second.stderr]).toEqual([0, ""]);
    const { image, files, place } = second.manifest();
    expect(image.rootHash).toBe(first.manifest().image.rootHash);
    expect(image.base).toMatchObject({ kind: "disk", path: "/usr", rootHash: second.rootHash });
    expect(place.kind).toBe("usr");
    expect(files["image.raw"]).toEqual(first.manifest().files["image.raw"]);
    await withContent(second.output, ({ roots: [{ tree }] }) => {
      const kept = [...tree.walk()].filter(({ node }) => node.kind === "file").map(({ path }) => path);
      expect(kept).toEqual(["etc/initrd-release", "usr/lib/own"]);
      const usr = (whole: Tree): Tree => {
        const node = whole.get("usr");
        return new Tree(node?.kind === "directory" ? node : directory());
      };
      // Whoever looks at /usr of the booted initrd sees the initrd's: neither the machine's files nor the images.
      expect(compareTrees(usr(initrdTree()), overlay(usr(tree), withImage(first)), { xattrs: true })).toEqual([]);
    });
  });

  test("is the same for a folder, before and after it was put there", async () => {
    const first = await build({ against: machineUsr() });
    expect(first.stderr).toContain("whether its files have extended attributes is not known");
    const usr = withImage(first);
    for (const against of [machineUsr(), usr]) {
      const again = await build({ usr, against });
      expect(again.stderr).not.toContain("does not hold");
      expect(again.manifest().image.rootHash).toBe(first.manifest().image.rootHash);
    }
    expect((await build({ usr })).manifest().image.rootHash).toBe(first.manifest().image.rootHash);
  });

  test("lists what it has left out, for others to check", async () => {
    const { output, manifest } = await build();
    const list = readFileSync(join(output, "left-out.sha256"));
    expect(manifest().files["left-out.sha256"]?.sizeBytes).toBe(list.length);
    const folder = folderOf(machineUsr());
    const checked = run("sha256sum", ["--check", "--strict", join(output, "left-out.sha256")], { cwd: folder });
    expect(String(checked.stdout).trimEnd().split("\n")).toHaveLength(list.toString().split("\n").length - 1);
    expect(list.toString()).toContain("lib/systemd/systemd\n");
    expect(list.toString()).not.toContain("lib/own");
    writeFileSync(join(folder, "lib/systemd/systemd"), "another");
    expect(() => run("sha256sum", ["--check", join(output, "left-out.sha256")], { cwd: folder })).toThrow();
  });

  test("is laid over /usr by its plan, and this is explained", async () => {
    const { output } = await build();
    const plan = readFileSync(join(output, "plan"), "utf8");
    expect(plan).toMatch(/\noverlay \/lazyrd\/laid-over lower=\/lazyrd\/image\/usr:\/lazyrd\/usr\n/);
    expect(plan).toMatch(/\nmove \/lazyrd\/laid-over \/lazyrd\/new\/usr\n/);
    expect(lazyrd(["explain", output]).stdout).toMatch(
      /\nWhat was changed in the image\n {2}leaves out what is the same/,
    );
    expect(lazyrd(["inspect", output]).stdout).toMatch(/\n *laid over +\/usr, .* left-out\.sha256\n/);
    const verified = lazyrd(["verify", "--quiet", output]);
    expect([verified.status, verified.stderr]).toEqual([
      0,
      expect.stringMatching(/^warning: the image holds only what differs from \/usr/),
    ]);
  });

  test("keeps all of it, and its plan overlays nothing, without image.against", async () => {
    const { output } = await build({ against: "" });
    expect(readFileSync(join(output, "plan"), "utf8")).not.toContain("laid-over");
    expect(() => readFileSync(join(output, "left-out.sha256"))).toThrow(/ENOENT/);
  });
});

describe("an image that another /usr cannot complete is refused", () => {
  const changed = (change: (usr: Tree) => void): Tree => {
    const usr = machineUsr();
    change(usr);
    return usr;
  };

  test.each([
    ["lacks a file", (usr: Tree) => usr.remove("lib/systemd/systemd"), /\/usr\/lib\/systemd\/systemd is not there$/],
    ["has another one", (usr: Tree) => usr.set(UNIT, file("[unit]\n")), /\/usr\/.*device is another one there$/],
    [
      "has one too many",
      (usr: Tree) => usr.set("lib/systemd/new", file("")),
      /\/usr\/lib\/systemd\/new would come to light$/,
    ],
  ])("because it %s", async (_, change, message) => {
    const { status, stderr, output } = await build({ against: machineUsr(), usr: changed(change) });
    expect(status).toBe(2);
    const [error, hint] = stderr.trimEnd().split("\n");
    expect(error).toMatch(/^lazyrd: Cannot lay the image over .*usr\.raw: /);
    expect(error).toMatch(message);
    expect(hint).toMatch(/^hint: .*build against what it is laid over$/);
    expect(() => readGeneration(output)).toThrow();
  });

  test("but what it hides anyway may change", async () => {
    const usr = changed((tree) => {
      tree.set("games/rogue", file("3\n"));
      tree.set("lib/own", file("newer\n"));
    });
    expect((await build({ against: machineUsr(), usr })).status).toBe(0);
  });
});

test.each([
  [
    "a whole system",
    {
      against: (() => {
        const tree = new Tree();
        tree.set("usr", machineUsr().root);
        return tree;
      })(),
    },
    /expected a \/usr, got a tree with a directory usr\nhint: give its directory usr/,
  ],
  [
    "a /usr that cannot be read",
    { settings: 'file-system = "ext4"\n' },
    /Cannot leave out of the image what .*usr.raw has: expected EROFS, got ext4\nhint: /,
  ],
  [
    "an initrd without /usr",
    {
      initrd: (() => {
        const tree = sampleInitrdTree();
        const usr = tree.get("usr");
        tree.remove("usr");
        if (usr) tree.set("system", usr);
        tree.set("init", symlink("system/lib/systemd/systemd"));
        return tree;
      })(),
    },
    /Cannot take the difference: the image has no directory \/usr/,
  ],
])("%s is refused", async (_, attempt, message) => {
  const { status, stderr } = await build(attempt);
  expect(status).toBe(2);
  expect(stderr).toMatch(message);
});

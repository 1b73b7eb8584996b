import { describe, expect, test } from "vitest";
import { directory, regularFile, symlink, type Tree } from "../../src/tree/index.ts";
import { nextRootOf, timelineOf } from "./first-stage/faults.ts";
import { imageTree, makeImage } from "./first-stage/image.ts";
import { changedPlan, IMAGE, logOf, planFor, type Story, tell } from "./first-stage/machine.ts";

const API = { "/dev": "devtmpfs", "/proc": "proc", "/sys": "sysfs", "/run": "tmpfs" };
const NOTHING_LEFT: readonly string[] = [];

function text(content: string, permissions = 0o644, uid = 0) {
  return regularFile(Buffer.from(content, "latin1"), { permissions, uid });
}

describe("a boot that goes well", () => {
  const boot = tell();
  const { kernel } = boot;

  test("ends in the image's program", () => {
    expect(boot.end).toEqual({ kind: "exec", path: "/init" });
    expect(kernel.files.fileSystemType("/")).toBe("overlay");
    expect(kernel.files.text("/lib/firmware/in-image.bin")).toBe("firmware of the image");
    expect(kernel.files.get("/usr/bin/su")?.permissions).toBe(0o4755);
    expect(boot.calls.length).toBeLessThan(400);
  });

  test("loads the drivers of what is there, each module once", () => {
    const drivers = ["virtio_ring", "virtio_pci", "virtio_blk"];
    const modules = planFor(IMAGE)[1]?.split(" ").slice(1) ?? [];
    expect(kernel.modules.loaded).toEqual([...modules, ...drivers]);
  });

  test("takes the kernel's file systems along", () => {
    for (const [path, type] of Object.entries(API)) expect(kernel.files.fileSystemType(path)).toBe(type);
  });

  test("frees the memory of the first stage", () => {
    expect(kernel.rootfsFiles).toEqual(NOTHING_LEFT);
    expect(kernel.descriptors.count).toBe(0);
  });

  test("opens the image so that corruption cannot go unnoticed, as a device that tools can name", () => {
    const [device] = kernel.deviceMapper.devices.values();
    expect(device?.active?.parameters).toBe(
      `1 /dev/vda1 /dev/vda2 4096 4096 ${IMAGE.blocks} 1 sha256 ${IMAGE.rootHash} ${IMAGE.salt} 1 panic_on_corruption`,
    );
    expect(device?.uuid).toBe(`CRYPT-VERITY-${IMAGE.rootHash.slice(0, 32)}-root`);
  });

  test("lets a panic that comes later restart the machine", () => {
    expect(kernel.panicTimeout).toBe(5);
  });

  test("says what it did, a line a step", () => {
    const verbs = logOf(boot).map((line) => line.split(" ", 1)[0]);
    expect(verbs).toEqual([
      "plan",
      "modules",
      "coldplug",
      "device",
      "device",
      "verity",
      "mount",
      "overlay",
      "forward",
      "switch",
    ]);
    expect(logOf(boot)[0]).toMatch(/^plan of 10 steps, read after \d+\.\d ms$/);
    expect(logOf(boot)[2]).toMatch(/^coldplug 2 drivers at hand, \d+\.\d ms$/);
    expect(logOf(boot)[3]).toMatch(/^device data is \/dev\/vda1, 3 modules loaded, \d+\.\d ms$/);
    expect(logOf(boot)[4]).toMatch(/^device hash is \/dev\/vda2, \d+\.\d ms$/);
  });

  test("leaves a timeline of all steps", () => {
    const timeline = timelineOf(boot);
    expect(timeline.version).toBe(1);
    expect(timeline.steps.map(({ line, step }) => ({ line, step }))).toEqual(
      planFor(IMAGE)
        .map((step, index) => ({ line: index + 2, step }))
        .slice(1, -1),
    );
    const times = timeline.steps.flatMap(({ startUs, endUs }) => [startUs, endUs]);
    const inOrder = [timeline.firstLineUs, ...times, timeline.handOverUs];
    expect(inOrder).toEqual([...inOrder].sort((a, b) => a - b));
  });

  test("is the same every time", () => {
    expect(tell().calls).toEqual(boot.calls);
  });
});

test("nothing holds the image's disk once the next stage has left the image", () => {
  const { kernel } = tell();
  expect([...kernel.deviceMapper.devices.keys()]).toEqual(["root"]);
  expect(kernel.blockDevices.get({ major: 253, minor: 0 }).openers).toBe(1);
  kernel.leaveRoot();
  expect([...kernel.deviceMapper.devices.keys()]).toEqual([]);
});

test("a device whose minor number does not fit a byte", () => {
  const boot = tell({ firstMappedMinor: 0x54321 });
  expect(boot.end.kind).toBe("exec");
  expect(boot.calls).toContainEqual(
    expect.objectContaining({ name: "mount", args: expect.arrayContaining(["/dev/dm-344865"]) }),
  );
});

describe("the way into the next root", () => {
  const kinds: Readonly<Record<string, Story>> = {
    "a tmpfs before Linux 7": { rootfs: "tmpfs" },
    "a ramfs before Linux 7": { rootfs: "ramfs" },
    "a tmpfs that can be left with pivot_root": { rootfs: "tmpfs", pivotRootFromRootfs: true },
  };

  test.each(Object.entries(kinds))("from %s", (_name, story) => {
    const boot = tell(story);
    expect(boot.end.kind).toBe("exec");
    expect(nextRootOf(boot)).toEqual(nextRootOf(tell()));
    expect(boot.kernel.rootfsFiles).toEqual(NOTHING_LEFT);
    const moved = boot.calls.some(({ name, args }) => name === "mount" && args[1] === "/");
    expect(moved).toBe(story.pivotRootFromRootfs !== true);
  });

  test("from a root that is not in memory: nothing is removed from it", () => {
    const boot = tell({ rootfs: "ext2" });
    expect(boot.end.kind).toBe("exec");
    expect(boot.calls.filter(({ name }) => name === "unlinkat")).toEqual([]);
    expect(boot.kernel.rootfsFiles).toContain("/lazyrd/plan");
  });

  test("leads through pivot_root only when nothing of the old root is left mounted", () => {
    const { kernel } = tell({ pivotRootFromRootfs: true });
    const types = [...kernel.mounts.all()].map(({ fileSystem }) => fileSystem.type);
    expect(types.sort()).toEqual(["devtmpfs", "nullfs", "overlay", "proc", "sysfs", "tmpfs"]);
  });

  test.each([
    ["is missing", "/no-init", "cannot open /no-init in the image: no such file or directory (ENOENT)"],
    ["is not a program", "/etc/initrd-release", "cannot start /etc/initrd-release: permission denied (EACCES)"],
    ["has no form that the kernel knows", "/odd", "cannot start /odd: exec format error (ENOEXEC)"],
  ])("ends when the program %s", (_name, path, message) => {
    const append = (tree: Tree) => tree.set("odd", text("?", 0o755));
    const plan = changedPlan(IMAGE, (line) => line.replace(/ \/init$/, ` ${path}`));
    const boot = tell({ plan, append });
    expect(boot.end).toEqual({ kind: "reboot" });
    expect(logOf(boot).join("\n") + boot.kernel.log.console).toContain(`FAILED at plan line 11 (switch): ${message}`);
  });
});

describe("forward", () => {
  test("takes along what a loader appended, as the kernel would have laid it over the initrd", () => {
    const { kernel, end } = tell({
      append: (tree) => {
        tree.setWithParents(".extra/credentials/secret.cred", text("secret", 0o400));
        tree.setWithParents("lib/firmware/added.bin", text("added"));
        tree.setWithParents("usr/lib/firmware/in-image.bin", text("replaced", 0o640, 12));
        tree.setWithParents("usr/local/bin/tool", text("tool", 0o6755, 3));
        tree.setWithParents("etc/initrd-release", symlink("../usr/lib/initrd-release"));
        tree.setWithParents("var/shared", directory({ permissions: 0o3777, gid: 5 }));
      },
    });
    const { files } = kernel;
    expect(end.kind).toBe("exec");
    expect(files.text("/.extra/credentials/secret.cred")).toBe("secret");
    expect(files.get("/.extra/credentials/secret.cred")?.permissions).toBe(0o400);
    // /lib is a symbolic link in the image, and stays one.
    expect(files.getLink("/lib")?.kind).toBe("symlink");
    expect(files.text("/usr/lib/firmware/added.bin")).toBe("added");
    expect(files.text("/lib/firmware/in-image.bin")).toBe("replaced");
    expect(files.get("/lib/firmware/in-image.bin")).toMatchObject({ permissions: 0o640, uid: 12 });
    expect(files.get("/usr/local/bin/tool")).toMatchObject({ permissions: 0o6755, uid: 3 });
    expect(files.getLink("/etc/initrd-release")).toMatchObject({ target: "../usr/lib/initrd-release" });
    expect(files.get("/var/shared")).toMatchObject({ permissions: 0o3777, gid: 5 });
    expect(files.get("/lazyrd")).toBeUndefined();
  });

  test("copies files of any size, however little the kernel moves at once, and folders of any length", () => {
    const content = Buffer.from(Array.from({ length: 200_001 }, (_, index) => index % 251));
    const names = Array.from({ length: 1000 }, (_, index) => `a-rather-long-name-${index}`);
    const { kernel, end } = tell({
      largestTransfer: 777,
      append: (tree) => {
        tree.setWithParents("large", regularFile(content));
        for (const name of names) tree.setWithParents(`many/${name}`, text(name));
      },
    });
    expect(end.kind).toBe("exec");
    expect(kernel.files.text("/large")).toBe(content.toString("latin1"));
    expect(kernel.files.names("/many")).toEqual([...names].sort());
    expect(kernel.rootfsFiles).toEqual(NOTHING_LEFT);
  });

  test("leaves out what the plan says came with the first stage, at the top only", () => {
    const plan = changedPlan(IMAGE, (line) => line.replace(/^forward .*/, "$& skip=kernel,early_cpio"));
    const append = (tree: Tree) => {
      tree.setWithParents("kernel/x86/microcode/GenuineIntel.bin", text("microcode"));
      tree.set("early_cpio", text("1"));
      tree.setWithParents("srv/kernel", text("taken along"));
      tree.set("kernels", text("taken along"));
    };
    const { files } = tell({ plan, append }).kernel;
    expect(files.names("/")).not.toContain("kernel");
    expect(files.names("/")).not.toContain("early_cpio");
    expect([files.text("/srv/kernel"), files.text("/kernels")]).toEqual(["taken along", "taken along"]);
    expect(tell({ append }).kernel.files.names("/")).toEqual(expect.arrayContaining(["kernel", "early_cpio"]));
  });

  test("follows an absolute link from the image's root, not from its own", () => {
    const tree = imageTree();
    tree.setWithParents("var/run", symlink("/etc"));
    const { end, kernel } = tell({
      image: makeImage({ tree }),
      append: (appended) => appended.setWithParents("var/run/file", text("x")),
    });
    expect(end.kind).toBe("exec");
    expect(kernel.files.text("/etc/file")).toBe("x");
  });

  test("takes along what was appended to /root", () => {
    const { kernel } = tell({ append: (appended) => appended.setWithParents("root/.ssh/key", text("x")) });
    expect(kernel.files.text("/root/.ssh/key")).toBe("x");
  });

  test("refuses to follow a link that leads to itself", () => {
    const tree = imageTree();
    tree.set("turn", symlink("turn"));
    const image = makeImage({ tree });
    const boot = tell({ image, append: (appended) => appended.setWithParents("turn/file", text("x")) });
    expect(boot.end.kind).toBe("reboot");
    expect(logOf(boot).join("\n")).toContain(
      "cannot forward /turn to /lazyrd/new/turn: too many symbolic links (ELOOP)",
    );
  });

  test("refuses folders that nest without end", () => {
    const path = Array.from({ length: 70 }, () => "d").join("/");
    const boot = tell({ append: (tree) => tree.setWithParents(`${path}/file`, text("x")) });
    expect(boot.end.kind).toBe("reboot");
    expect(logOf(boot).join("\n")).toMatch(/FAILED at plan line 10 \(forward\): cannot forward .*\(ELOOP\)/);
  });
});

describe("graft", () => {
  const plan = changedPlan(IMAGE, (line) =>
    line.startsWith("switch ")
      ? [
          "mount none /lazyrd/root tmpfs options=mode=0755",
          "graft /lazyrd/new /lazyrd/root",
          "switch /lazyrd/root /init",
        ]
      : line,
  );

  test("shows the image in a root that is a tmpfs, which run-init and switch_root insist on", () => {
    const boot = tell({ plan });
    const { files } = boot.kernel;
    expect(boot.end).toEqual({ kind: "exec", path: "/init" });
    expect(files.fileSystemType("/")).toBe("tmpfs");
    expect(files.get("/")?.permissions).toBe(0o755);
    expect(files.fileSystemType("/usr")).toBe("overlay");
    expect(files.text("/lib/firmware/in-image.bin")).toBe("firmware of the image");
    expect(files.getLink("/lib")?.kind).toBe("symlink");
    expect(files.get("/tmp")?.permissions).toBe(0o1777);
    for (const [path, type] of Object.entries(API)) expect(files.fileSystemType(path)).toBe(type);
    expect(boot.kernel.rootfsFiles).toEqual(NOTHING_LEFT);
  });

  test("lets go of the image with the directories that show it", () => {
    const { kernel } = tell({ plan });
    kernel.leaveRoot();
    expect([...kernel.deviceMapper.devices.keys()]).toEqual([]);
  });
});

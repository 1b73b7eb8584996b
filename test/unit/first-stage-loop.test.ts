import { describe, expect, test } from "vitest";
import { regularFile, type Tree } from "../../src/tree/index.ts";
import type { ErrnoName } from "../support/simulated-kernel/index.ts";
import { failEachCall, failureOf, goodBoot } from "./first-stage/faults.ts";
import { BLOCK, withFlippedBit } from "./first-stage/image.ts";
import { IMAGE, planFor, type Story, tell } from "./first-stage/machine.ts";

const FILE = "/lazyrd/image.raw";
const { disk, dataOffset, hashOffset, blocks, rootHash, salt } = IMAGE;
const used = disk.length - dataOffset;
const size = used - (used % BLOCK);

/** The image as a file in the initrd, opened as `loop` says. */
function inInitrd(given: { loop?: string; content?: Uint8Array } = {}): Story {
  const { loop = `loop image ${FILE} offset=${dataOffset} size=${size}`, content = disk } = given;
  const hashStart = (hashOffset - dataOffset) / BLOCK + 1;
  const opens = [
    "modules loop",
    loop,
    `verity root data=image hash=image data-blocks=${blocks} root-hash=${rootHash} salt=${salt} hash-start=${hashStart} on-corruption=panic`,
  ];
  const plan = planFor(IMAGE).flatMap((line) => {
    if (line.startsWith("verity ")) return opens;
    return line.startsWith("device ") || line.startsWith("coldplug ") ? [] : [line];
  });
  const append = (tree: Tree) => tree.set(FILE.slice(1), regularFile(content));
  return { plan, append, hasDisk: false, image: IMAGE };
}

describe("an image in a file", () => {
  test.each(["tmpfs", "ramfs"] as const)("on a %s is opened and outlives its name", (rootfs) => {
    const boot = tell({ ...inInitrd(), rootfs });
    expect(boot.end).toEqual({ kind: "exec", path: "/init" });
    expect(boot.kernel.rootfsFiles).not.toContain(FILE);
    expect(boot.kernel.files.text("/init")).toContain("systemd");
    expect(boot.kernel.loopDevices.bound).toBe(1);
  });

  test("is closed, and its memory free, when the next stage has left it", () => {
    const { kernel } = tell(inInitrd());
    kernel.leaveRoot();
    expect(kernel.loopDevices.bound).toBe(0);
  });

  test("gets the next loop device when somebody else was faster", () => {
    const boot = tell({ ...inInitrd(), takenLoopDevices: 3 });
    expect(boot.end.kind).toBe("exec");
    expect(boot.kernel.loopDevices.bound).toBe(4);
  });

  test("gives up when somebody else is always faster", () => {
    expect(failureOf(tell({ ...inInitrd(), takenLoopDevices: 1000 })).message).toBe(
      "cannot make a loop device: device or resource busy (EBUSY)",
    );
  });

  test.each([
    ["that is not there", { loop: "loop image /lazyrd/other.raw" }, /^cannot open \/lazyrd\/other.raw: .*ENOENT/],
    ["that is a folder", { loop: "loop image /lazyrd" }, /^not a regular file: \/lazyrd$/],
    [
      "that was cut off",
      { content: disk.subarray(0, hashOffset) },
      new RegExp(`^the image is cut off: ${FILE} has ${hashOffset} bytes instead of ${dataOffset + size}$`),
    ],
    ["with an offset that is no number", { loop: `loop image ${FILE} offset=x` }, /lacks a file, or has an offset/],
    ["that the plan forgets", { loop: "loop image" }, /lacks a file/],
  ])("%s is refused in words", (_name, given, message) => {
    const boot = tell(inInitrd(given));
    expect(boot.end.kind).toBe("reboot");
    expect(failureOf(boot)).toMatchObject({ verb: "loop", message: expect.stringMatching(message) });
  });

  test("that was damaged is refused", () => {
    const { disk: content } = withFlippedBit(IMAGE, dataOffset);
    expect(failureOf(tell(inInitrd({ content })))).toMatchObject({ verb: "verity" });
  });
});

describe("each system call of a boot from a file fails once", () => {
  const good = goodBoot(inInitrd());
  const errnos: readonly ErrnoName[] = ["EIO", "ENOENT", "EBUSY"];

  test.each(errnos)("with %s", (errno) => {
    failEachCall(good, errno);
  });
});

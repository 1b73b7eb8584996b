import { describe, expect, test } from "vitest";
import { failureOf } from "./first-stage/faults.ts";
import { makeImage, withFlippedBit } from "./first-stage/image.ts";
import { changedPlan, planFor, tell } from "./first-stage/machine.ts";

const image = makeImage();

/** The image is checked as a whole, and then used without dm-verity. */
const plan = changedPlan(image, (line) => {
  if (line.startsWith("verity ")) return [line.replace("=panic", "=error"), "check root"];
  return line.startsWith("mount ") ? "mount data /lazyrd/image erofs options=dax=always" : line;
});

describe("an image that is checked as a whole", () => {
  test("is used by itself afterwards", () => {
    const boot = tell({ image, plan });
    expect(boot.end).toEqual({ kind: "exec", path: "/init" });
    expect(boot.kernel.deviceMapper.devices.size).toBe(0);
    expect(boot.calls.some(({ name, args }) => name === "mount" && args[0] === "/dev/vda1")).toBe(true);
  });

  test("is refused for any damaged block, the last one too", () => {
    const damaged = withFlippedBit(image, image.dataOffset + (image.blocks - 1) * 4096 + 7);
    const boot = tell({ image: damaged, plan });
    expect(failureOf(boot)).toMatchObject({ verb: "check", message: expect.stringMatching(/^the image is damaged/) });
    expect(boot.calls.some(({ name, args }) => name === "mount" && args[2] === "erofs")).toBe(false);
  });

  test("is not used when it cannot be read, or not be closed", () => {
    for (const call of ["openat", "read"] as const) {
      const when = ({ args, name }: { args: readonly unknown[]; name: string }) =>
        name === "openat" ? args[1] === "/dev/dm-0" : args[1] === 32768;
      const boot = tell({ image, plan, faults: [{ call, errno: "EIO", when }] });
      expect(failureOf(boot).verb).toBe("check");
    }
    expect(
      failureOf(tell({ image, plan: planFor(image).map((line) => line.replace(/^verity .*/, "check x")) })),
    ).toMatchObject({
      message: "no step before this one found a device named x",
    });
  });
});

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { getuid } from "node:process";
import { describe, expect, onTestFinished, test } from "vitest";
import { UsageError } from "../../src/bytes/index.ts";
import { OutputFolder } from "../../src/host/index.ts";
import { tempFolder } from "../support/temp.ts";
import { run } from "../support/tools.ts";

const OWN_NAMES = ["manifest.json", "image", "link"];

/** A folder as lazyrd leaves it, with this as its manifest. */
function generation(path: string, manifest: string): void {
  mkdirSync(path);
  writeFileSync(join(path, "manifest.json"), manifest);
}

const manifestOf = (path: string): string => readFileSync(join(path, "manifest.json"), "latin1");

describe("an output folder", () => {
  test("appears when it is complete, with all that was written", async () => {
    const parent = tempFolder();
    const path = join(parent, "out");
    const output = new OutputFolder(path, OWN_NAMES);
    output.write("manifest.json", Buffer.from("{}"));
    const image = output.create("image");
    image.writeAt(8, Buffer.from("end"));
    image.writeAt(0, Buffer.from("start"));
    await image.sync();
    image.close();
    output.link("link", "some/where");
    expect(existsSync(path)).toBe(false);

    output.commit();
    expect(readdirSync(parent)).toEqual(["out"]);
    expect(readdirSync(path).sort()).toEqual(["image", "link", "manifest.json"]);
    expect(readFileSync(join(path, "image"), "latin1")).toBe("start\0\0\0end");
    expect(readlinkSync(join(path, "link"))).toBe(join(process.cwd(), "some/where"));
  });

  test("that is discarded leaves nothing, not even the parents that were made for it", () => {
    const parent = tempFolder();
    const output = new OutputFolder(join(parent, "deep", "er", "out"), OWN_NAMES);
    output.write("image", new Uint8Array(10));
    output.discard();
    output.discard();
    expect(readdirSync(parent)).toEqual([]);
  });

  test("that is discarded leaves what others put beside it", () => {
    const parent = tempFolder();
    const output = new OutputFolder(join(parent, "deep", "er", "out"), OWN_NAMES);
    writeFileSync(join(parent, "deep", "other"), "");
    output.discard();
    expect(readdirSync(join(parent, "deep"))).toEqual(["other"]);
  });

  test("that is discarded after it was put in place stays", () => {
    const path = join(tempFolder(), "new", "out");
    const output = new OutputFolder(path, OWN_NAMES);
    output.write("manifest.json", Buffer.from("{}"));
    output.commit();
    output.discard();
    expect(manifestOf(path)).toBe("{}");
  });

  test("two at a time do not meet", () => {
    const path = join(tempFolder(), "out");
    const [first, second] = [new OutputFolder(path, OWN_NAMES), new OutputFolder(path, OWN_NAMES)];
    first.write("manifest.json", Buffer.from("1"));
    second.write("manifest.json", Buffer.from("2"));
    second.commit();
    first.discard();
    expect(manifestOf(path)).toBe("2");
  });
});

describe("what stands in its place", () => {
  test("is replaced as a whole when it is lazyrd's, and stays until then", () => {
    const parent = tempFolder();
    const path = join(parent, "out");
    generation(path, "old");
    writeFileSync(join(path, "image"), "old");
    const output = new OutputFolder(path, OWN_NAMES);
    output.write("manifest.json", Buffer.from("new"));
    expect(manifestOf(path)).toBe("old");
    output.commit();
    expect([manifestOf(path), readdirSync(path), readdirSync(parent)]).toEqual(["new", ["manifest.json"], ["out"]]);
  });

  test("is replaced when it is an empty folder", () => {
    const path = join(tempFolder(), "out");
    mkdirSync(path);
    const output = new OutputFolder(path, OWN_NAMES);
    output.write("manifest.json", Buffer.from("new"));
    output.commit();
    expect(manifestOf(path)).toBe("new");
  });

  test("is replaced behind a link, not the link", () => {
    const parent = tempFolder();
    generation(join(parent, "real"), "old");
    symlinkSync("real", join(parent, "out"));
    const output = new OutputFolder(join(parent, "out"), OWN_NAMES);
    output.write("manifest.json", Buffer.from("new"));
    output.commit();
    expect([readlinkSync(join(parent, "out")), manifestOf(join(parent, "real"))]).toEqual(["real", "new"]);
  });

  test.each([
    ["a foreign file", (path: string) => writeFileSync(join(path, "thesis.tex"), ""), "it holds thesis.tex, which"],
    [
      "a foreign file beside lazyrd's",
      (path: string) => {
        writeFileSync(join(path, "manifest.json"), "{}");
        writeFileSync(join(path, "notes"), "");
      },
      "it holds notes, which",
    ],
    [
      "lazyrd's names without a manifest",
      (path: string) => writeFileSync(join(path, "image"), ""),
      "it holds image, which",
    ],
  ])("is refused when it has %s", (_, fill, message) => {
    const parent = tempFolder();
    const path = join(parent, "out");
    mkdirSync(path);
    fill(path);
    const before = readdirSync(path);
    expect(() => new OutputFolder(path, OWN_NAMES)).toThrow(UsageError);
    expect(() => new OutputFolder(path, OWN_NAMES)).toThrow(message);
    expect([readdirSync(path), readdirSync(parent)]).toEqual([before, ["out"]]);
  });

  test("is refused when it is a file, and when the path leads through one", () => {
    const path = join(tempFolder(), "file");
    writeFileSync(path, "");
    expect(() => new OutputFolder(path, OWN_NAMES)).toThrow(/Cannot use .*: it is a file/);
    expect(() => new OutputFolder(join(path, "out"), OWN_NAMES)).toThrow(UsageError);
  });

  test("is refused at the end as well: somebody may have come meanwhile", () => {
    const path = join(tempFolder(), "out");
    generation(path, "old");
    const output = new OutputFolder(path, OWN_NAMES);
    output.write("manifest.json", Buffer.from("new"));
    writeFileSync(join(path, "thesis.tex"), "");
    expect(() => output.commit()).toThrow(/it holds thesis.tex/);
    output.discard();
    expect([manifestOf(path), readdirSync(path).sort()]).toEqual(["old", ["manifest.json", "thesis.tex"]]);
  });
});

describe("a write that fails", () => {
  test("half-way leaves nothing", () => {
    const parent = tempFolder();
    const output = new OutputFolder(join(parent, "out"), OWN_NAMES);
    output.create("image").writeAt(0, Buffer.from("half"));
    output.scratchFile().close();
    output.discard();
    expect(readdirSync(parent)).toEqual([]);
  });

  test("elsewhere says what of the system's errors, and passes on any other", async () => {
    const output = new OutputFolder(join(tempFolder(), "out"), OWN_NAMES);
    const file = output.create("image");
    const full = Object.assign(new Error("ENOSPC"), { code: "ENOSPC", syscall: "write" });
    await expect(file.elsewhere(Promise.reject(full))).rejects.toThrow(/Cannot write image in .*: no space is left/);
    const fault = new TypeError("bug");
    await expect(file.elsewhere(Promise.reject(fault))).rejects.toBe(fault);
    output.discard();
  });

  test("since the file is there already: a name is written once", () => {
    const output = new OutputFolder(join(tempFolder(), "out"), OWN_NAMES);
    output.write("image", new Uint8Array());
    expect(() => output.write("image", new Uint8Array())).toThrow(/Cannot write image in .*: EEXIST/);
    expect(() => output.link("image", "x")).toThrow(UsageError);
    output.discard();
  });

  test("for want of space says so before and during, and keeps what was there", (context) => {
    if (getuid?.() !== 0) return context.skip("mounting needs root");
    const parent = tempFolder();
    run("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", parent]);
    onTestFinished(() => void run("umount", [parent]));
    const path = join(parent, "out");
    generation(path, "old");
    const output = new OutputFolder(path, OWN_NAMES);
    output.requireSpace(1 << 16);
    expect(() => output.requireSpace(1 << 20)).toThrow(/Cannot write 1.0 MB to .*: only 0.3 MB are free/);
    expect(() => output.write("image", new Uint8Array(1 << 20))).toThrow(/Cannot write image in .*: no space is left/);
    output.discard();
    expect([manifestOf(path), readdirSync(parent)]).toEqual(["old", ["out"]]);
  });

  test("for want of permission says where", (context) => {
    if (getuid?.() === 0) return context.skip("root may write everywhere");
    const parent = tempFolder();
    chmodSync(parent, 0o555);
    expect(() => new OutputFolder(join(parent, "out"), OWN_NAMES)).toThrow(
      `Cannot write to ${parent}: permission denied`,
    );
  });
});

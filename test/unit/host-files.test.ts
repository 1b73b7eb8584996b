import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { FormatError, fromText, UsageError } from "../../src/bytes/index.ts";
import { FileSource, hostFolder, inFile, readHostTree, readInput, systemReason } from "../../src/host/index.ts";
import type { Node } from "../../src/tree/index.ts";
import { tempFolder } from "../support/temp.ts";

const FILES_MODULE = fileURLToPath(new URL("../../src/host/files.ts", import.meta.url));

const errorOf = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe("a file", () => {
  test("is read where it is asked for", () => {
    const path = join(tempFolder(), "file");
    writeFileSync(path, "0123456789");
    const source = new FileSource(path, "the file");
    expect([source.size, source.path]).toEqual([10, path]);
    expect(Buffer.from(source.read(3, 4)).toString()).toBe("3456");
    expect(source.read(10, 0)).toEqual(new Uint8Array());
    for (const [offset, length] of [
      [8, 3],
      [-1, 1],
      [11, 0],
      [Number.NaN, 1],
    ] as const) {
      expect(() => source.read(offset, length)).toThrow(FormatError);
    }
    source.close();
    expect(Buffer.from(readInput(path, "the file")).toString()).toBe("0123456789");
  });

  test("that becomes shorter meanwhile is a fault, not zeros", () => {
    const path = join(tempFolder(), "file");
    writeFileSync(path, "0123456789");
    const source = new FileSource(path, "the file");
    truncateSync(path, 5);
    expect(Buffer.from(source.read(0, 5)).toString()).toBe("01234");
    expect(() => source.read(0, 6)).toThrow(`Cannot read ${path}: it became shorter while it was being read`);
    source.close();
  });

  test.each([
    ["missing", "missing", "there is no such file"],
    ["a folder", "folder", "it is a folder"],
    ["below a file", "file/x", "a part of the path is not a folder"],
    ["a link to itself", "loop", "too many symbolic links"],
  ])("that is %s: says so", (_, name, reason) => {
    const folder = tempFolder();
    mkdirSync(join(folder, "folder"));
    writeFileSync(join(folder, "file"), "");
    symlinkSync("loop", join(folder, "loop"));
    const path = join(folder, name);
    for (const open of [() => new FileSource(path, "the kernel"), () => readInput(path, "the kernel")]) {
      expect(errorOf(open)).toBeInstanceOf(UsageError);
      expect(open).toThrow(`Cannot read the kernel ${path}: ${reason}`);
    }
  });

  test("that is a pipe has no size to go by", () => {
    const path = join(tempFolder(), "pipe");
    execFileSync("mkfifo", [path]);
    // The shell keeps it open for reading and writing, so that opening it for reading does not wait for ever.
    const program = `import { FileSource } from ${JSON.stringify(FILES_MODULE)};
      try { new FileSource(process.argv[1], "the image"); } catch (error) { console.log(error.message); }`;
    const node = [process.execPath, "--import", "tsx", "--input-type=module", "--eval", program, path];
    const output = execFileSync("sh", ["-c", 'exec 3<>"$0"; exec "$@"', path, ...node]);
    expect(output.toString()).toContain(`Cannot read the image ${path}: it is a device or pipe`);
  });
});

describe("errors", () => {
  test("of the operating system in words; any other one is passed on", () => {
    const withCode = (code: string) => Object.assign(new Error("x"), { code });
    expect(systemReason(withCode("ENOSPC"))).toBe("no space is left on the device");
    expect(systemReason(withCode("EUNHEARDOF"))).toBe("EUNHEARDOF");
    const bug = new TypeError("bug");
    expect(errorOf(() => systemReason(bug))).toBe(bug);
  });

  test.each([
    [
      "of its content gets the file's name",
      new FormatError("Cannot", { format: "cpio" }),
      "dir/cpio",
      "dir/cpio: cpio: Cannot",
    ],
    [
      "of its content does, though the name occurs",
      new FormatError("Cannot", { format: "cpio" }),
      "cpio",
      "cpio: cpio: Cannot",
    ],
    ["for the person gets it, too", new UsageError("Cannot"), "b", "b: Cannot"],
    ["that names the file is left alone", new UsageError("Cannot read /a"), "/a", "Cannot read /a"],
    ["that is a bug is left alone", new TypeError("bug"), "a", "bug"],
  ])("one %s", async (_, error, path, message) => {
    await expect(inFile(path, () => Promise.reject(error))).rejects.toBe(error);
    expect(error.message).toBe(message);
  });

  test("none: the result", async () => {
    expect(await inFile("a", () => 5)).toBe(5);
  });
});

describe.each([
  ["a folder as a tree", readHostTree],
  ["a folder as a tree whose parts are asked for later", hostFolder],
] as const)("%s", (_, read) => {
  /** Made by a shell, which has no trouble with names that are not text. */
  function shell(folder: string, script: string): void {
    execFileSync("sh", ["-euc", script], { cwd: folder });
  }
  const contentOf = (node: Node | undefined): string => {
    if (node?.kind !== "file") throw new Error(`Expected a file, got ${node?.kind}`);
    return Buffer.from(node.content.read(0, node.content.size)).toString();
  };

  test("has what the folder has", () => {
    const folder = tempFolder();
    shell(
      folder,
      `umask 022; mkdir -p a/b; echo content >a/b/file; chmod 640 a/b/file; chmod 1777 a
       ln -s ../nothing a/link; mkfifo pipe; touch -d @1000.9 a/b/file; touch -h -d @5 a/link`,
    );
    const tree = read(folder);
    expect([...tree.walk()].map(({ path, node }) => [path, node.kind])).toEqual([
      ["", "directory"],
      ["a", "directory"],
      ["a/b", "directory"],
      ["a/b/file", "file"],
      ["a/link", "symlink"],
      ["pipe", "fifo"],
    ]);
    expect(tree.get("a/b/file")).toMatchObject({ permissions: 0o640, mtime: 1000, uid: process.getuid?.() });
    expect(tree.get("a")).toMatchObject({ permissions: 0o1777 });
    expect(tree.get("a/link")).toMatchObject({ target: "../nothing", mtime: 5 });
    expect(contentOf(tree.get("a/b/file"))).toBe("content\n");
  });

  test("has names that are not UTF-8, files and folders and targets", () => {
    const folder = tempFolder();
    shell(
      folder,
      `d=$(printf 'd\\377r'); mkdir "$d"; printf 1 >"$d/$(printf 'f\\200')"; ln -s "$(printf 't\\376')" "$d/link"
       printf 2 >'ä€'; mkdir "$d/ü"; printf 3 >"$d/ü/x"`,
    );
    const tree = read(folder);
    expect(contentOf(tree.get("d\xffr/f\x80"))).toBe("1");
    expect(tree.get("d\xffr/link")).toMatchObject({ target: "t\xfe" });
    expect(contentOf(tree.get(fromText("ä€")))).toBe("2");
    expect(contentOf(tree.get(`d\xffr/${fromText("ü")}/x`))).toBe("3");
  });

  test("may be named by a symlink, with a slash at its end, and in any alphabet", () => {
    const folder = tempFolder();
    shell(folder, "mkdir ордер; printf 1 >ордер/x; ln -s ордер link");
    for (const name of ["ордер", "link", "link/", "ордер//"]) {
      expect(contentOf(read(join(folder, name)).get("x")), name).toBe("1");
    }
  });

  test("has contents that are read when they are asked for", () => {
    const folder = tempFolder();
    writeFileSync(join(folder, "file"), "old");
    const tree = read(folder);
    writeFileSync(join(folder, "file"), "new");
    expect(contentOf(tree.get("file"))).toBe("new");
    execFileSync("rm", [join(folder, "file")]);
    expect(() => contentOf(tree.get("file"))).toThrow(/Cannot read the file .*file: there is no such file/);
  });

  test("must be a folder", () => {
    const path = join(tempFolder(), "file");
    expect(() => read(path)).toThrow(/Cannot read the folder .*: there is no such file/);
    writeFileSync(path, "");
    expect(errorOf(() => read(path))).toBeInstanceOf(UsageError);
    expect(() => read(path)).toThrow(`Cannot use ${path}: expected a folder`);
  });

  test("has device nodes only as a whole system", () => {
    const kinds = (): string[] => [...read("/dev/pts").walk()].map(({ node }) => node.kind);
    if (read === readHostTree) expect(kinds()).toContain("character-device");
    else expect(kinds).toThrow(/^Cannot use .*: device nodes of a running machine/);
  });

  test("is empty when the folder is", () => {
    expect([...read(tempFolder()).walk()]).toHaveLength(1);
  });
});

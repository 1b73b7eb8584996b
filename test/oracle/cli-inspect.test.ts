import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { lazyrd, lazyrdProgram } from "../support/cli.ts";
import { initrdFixture, kernelFixture } from "../support/fixtures.ts";
import { sampleDdi } from "../support/inspect-samples.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";

const inspectJson = (path: string, ...more: string[]) => {
  const { stdout, stderr, status } = lazyrd(["inspect", "--json", ...more, path]);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return JSON.parse(stdout);
};

describe("initrds", () => {
  test("the entries are those that cpio lists", (context) => {
    const path = initrdFixture("dracut", "6.1-cloud-amd64");
    const zstd = requireTool(context, "zstd");
    const archive = run("sh", ["-c", `"${zstd}" -dc "$1" | cpio --quiet -itv --numeric-uid-gid`, "sh", path]);
    const theirs = archive.stdout.trimEnd().split("\n");
    const ours = lazyrd(["inspect", "--list", path]).stdout.trimEnd().split("\n");
    const mode = (line: string): string => line.slice(0, 10);
    const target = (line: string): string | undefined => / -> (.*)$/.exec(line)?.[1];
    const name = (line: string): string | undefined =>
      line
        .replace(/ -> .*$/, "")
        .split(" ")
        .at(-1);
    // Of files; cpio has other columns for devices, and shows times in a way of its own.
    const size = (line: string): string | undefined => (line.startsWith("-") ? line.split(/ +/)[4] : undefined);
    expect(ours.length).toBe(theirs.length);
    for (const column of [mode, name, target, size]) expect(ours.map(column)).toEqual(theirs.map(column));
  });

  test("microcode in front is told, with the offset of what follows", () => {
    const path = initrdFixture("dracut-microcode", "6.12-amd64");
    const { segments, nextStage, modules } = inspectJson(path);
    expect(segments).toMatchObject([
      { offset: 0, early: true, compression: "none" },
      { early: false, compression: "zstd" },
    ]);
    expect(readFileSync(path).readUInt32LE(segments[1].offset)).toBe(0xfd2fb528);
    expect(nextStage).toEqual({ kind: "systemd", init: "/usr/lib/systemd/systemd" });
    expect(modules).toEqual([{ release: kernelFixture("6.12-amd64").release, count: expect.any(Number) }]);
  });

  test("initramfs-tools' is a script", () => {
    expect(inspectJson(initrdFixture("initramfs-tools", "6.12-amd64")).nextStage.kind).toBe("script");
  });

  test.each([0.2, 0.5, 0.9])("corrupt at %d of its bytes: the checksum tells", (part) => {
    const path = join(tempFolder(), "initrd.img");
    const bytes = readFileSync(initrdFixture("dracut", "6.1-cloud-amd64"));
    const at = Math.floor(bytes.length * part);
    bytes[at] = (bytes[at] ?? 0) ^ 0xff;
    writeFileSync(path, bytes);
    const { stderr, status } = lazyrd(["inspect", path]);
    expect(stderr).toMatch(/^lazyrd: [^\n]*initrd\.img: initramfs: Cannot read segment 1 \(zstd\)[^\n]*\n$/);
    expect(status).toBe(1);
  });
});

describe("kernels and modules", () => {
  test.each(["6.12-amd64", "6.1-amd64"] as const)("%s", (flavour) => {
    const kernel = kernelFixture(flavour);
    expect(inspectJson(kernel.vmlinuz)).toMatchObject({ release: kernel.release, architecture: "x86_64", efi: true });
  });

  test("modules are as modinfo says, compressed or not", (context) => {
    const modinfo = requireTool(context, "modinfo");
    for (const [flavour, file] of [
      ["6.12-amd64", "kernel/drivers/md/dm-verity.ko.xz"],
      ["6.12-amd64", "kernel/fs/erofs/erofs.ko.xz"],
      ["6.1-amd64", "kernel/drivers/scsi/mpt3sas/mpt3sas.ko"],
    ] as const) {
      const path = join(kernelFixture(flavour).modules, file);
      const field = (name: string): string => run(modinfo, ["-F", name, path]).stdout.trim();
      const ours = inspectJson(path);
      expect(ours.name).toBe(field("name"));
      expect(ours.depends.join(",")).toBe(field("depends"));
      expect(ours.vermagic).toBe(field("vermagic"));
      expect(ours.license).toBe(field("license"));
      expect(ours.signer.issuer).toBe(`CN=${field("signer")}`);
      expect(ours.signer.serial.toUpperCase()).toBe(field("sig_key").replaceAll(":", ""));
      expect(ours.signer.digest).toBe(field("sig_hashalgo"));
    }
  });
});

describe("images", () => {
  test("partitions are those that sfdisk shows", (context) => {
    const path = join(tempFolder(), "image.raw");
    writeFileSync(path, sampleDdi());
    const { partitiontable } = JSON.parse(run(requireTool(context, "sfdisk"), ["--json", path]).stdout);
    const { diskGuid, sectorSize, partitions } = inspectJson(path);
    expect(diskGuid.toUpperCase()).toBe(partitiontable.id);
    expect(sectorSize).toBe(partitiontable.sectorsize);
    type Ours = { offsetBytes: number; sizeBytes: number; typeGuid: string; guid: string; name: string };
    expect(
      partitions.map(({ offsetBytes, sizeBytes, typeGuid, guid, name }: Ours) => ({
        start: offsetBytes / sectorSize,
        size: sizeBytes / sectorSize,
        type: typeGuid.toUpperCase(),
        uuid: guid.toUpperCase(),
        name,
      })),
    ).toMatchObject(
      partitiontable.partitions.map(({ start, size, type, uuid, name }: Record<string, unknown>) => ({
        start,
        size,
        type,
        uuid,
        name,
      })),
    );
  });

  test("the root hash and the hash area are as veritysetup says", (context) => {
    const veritysetup = requireTool(context, "veritysetup");
    const folder = tempFolder();
    const path = join(folder, "image.raw");
    const bytes = sampleDdi();
    writeFileSync(path, bytes);
    const { partitions, trees } = inspectJson(path, "--verify", "--quiet");
    const [data, hash] = partitions.map(
      ({ offsetBytes, sizeBytes }: { offsetBytes: number; sizeBytes: number }, index: number) => {
        const part = join(folder, `part${index}`);
        writeFileSync(part, bytes.subarray(offsetBytes, offsetBytes + sizeBytes));
        return part;
      },
    );
    run(veritysetup, ["verify", data, hash, trees[0].rootHash]);
    const dump = run(veritysetup, ["dump", hash]).stdout;
    expect(dump).toMatch(new RegExp(`UUID: +\\t?${partitions[1].content.uuid}`));
    expect(dump).toMatch(new RegExp(`Data blocks: +\\t?${partitions[1].content.dataBlocks}`));
    expect(dump).toMatch(new RegExp(`Salt: +\\t?${partitions[1].content.salt}`));
    // The hash area alone is told as well.
    expect(inspectJson(hash)).toMatchObject({ format: "verity", dataBlocks: partitions[1].content.dataBlocks });
  });

  test("an image by mkfs.erofs, compressed: what cannot be read can be listed", (context) => {
    const mkfs = requireTool(context, "mkfs.erofs");
    const folder = tempFolder();
    const tree = join(folder, "tree");
    run("mkdir", ["-p", join(tree, "sub", "deeper")]);
    copyFileSync(process.execPath, join(tree, "node"));
    run("ln", ["-s", "../node", join(tree, "sub", "link")]);
    const path = join(folder, "image.erofs");
    run(mkfs, ["-zlz4", path, tree]);
    const { compatible, incompatible, counts, contentBytes } = inspectJson(path);
    expect(compatible).toContain("SB_CHKSUM");
    expect(incompatible).toContain("LZ4_0PADDING");
    expect(counts).toEqual({ directory: 3, file: 1, symlink: 1 });
    expect(contentBytes).toBe(readFileSync(process.execPath).length);
    const theirs = run("find", [tree, "-printf", "%M %U %G %P\\n"]).stdout.trimEnd().split("\n").sort();
    const ours = lazyrd(["inspect", "--list", path])
      .stdout.trimEnd()
      .split("\n")
      .map((line) => {
        const [mode, , uid, gid, , , , name] = line.split(/ +/);
        return `${mode} ${uid} ${gid} ${name === "." ? "" : name}`;
      });
    expect(ours.sort()).toEqual(theirs);
  });
});

test("a large image is not read into memory", () => {
  const path = join(tempFolder(), "disk.raw");
  writeFileSync(path, sampleDdi());
  // The backup table is then no longer at the end, which is worth a warning; 64 GiB are hole.
  run("truncate", ["-s", "64G", path]);
  const { stdout, status } = lazyrd(["inspect", path], { env: { NODE_OPTIONS: "--max-old-space-size=64" } });
  expect(status).toBe(0);
  expect(stdout).toContain("68.7 GB (68719476736 bytes)");
});

test("on a terminal, progress is one line that goes away", (context) => {
  const script = requireTool(context, "script");
  const path = join(tempFolder(), "image.raw");
  writeFileSync(path, sampleDdi());
  const command = `stty cols 80; '${process.execPath}' '${lazyrdProgram()}' inspect --verify '${path}'`;
  const { stdout } = run(script, ["-qec", command, "/dev/null"]);
  expect(stdout).toContain("\r\x1b[Kverifying root");
  // Erased before the result is printed.
  expect(stdout.split("\x1b[K").at(-1)).toMatch(/^[^\r\n]*image\.raw: Discoverable Disk Image/);
});

import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, type TestContext, test } from "vitest";
import { lazyrd } from "../support/cli.ts";
import { tempFolder } from "../support/temp.ts";
import { findTool, requireTool, run } from "../support/tools.ts";
import { generation } from "../support/vm-generations.ts";

const MIB = 1 << 20;
const LOADER = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
const STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

interface DiskFacts {
  readonly sizeBytes: number;
  readonly commandLine: string | null;
  readonly partitions: readonly { name: string; guid: string; offsetBytes: number; sizeBytes: number }[];
}

const built = () => generation({ kernel: "6.12-amd64", initrd: "small" });

function makeDisk(path: string, ...options: string[]): DiskFacts {
  const { status, stdout, stderr } = lazyrd(["disk", built().folder, "-o", path, "--quiet", "--json", ...options]);
  expect([status, stderr]).toEqual([0, expect.stringMatching(/^(warning: .*\n)*$/)]);
  return JSON.parse(stdout) as DiskFacts;
}

/** One partition of a disk as a file. */
function partitionFile(disk: string, { offsetBytes, sizeBytes }: DiskFacts["partitions"][number]): string {
  const bytes = Buffer.alloc(sizeBytes);
  const file = openSync(disk, "r");
  readSync(file, bytes, 0, sizeBytes, offsetBytes);
  closeSync(file);
  const path = join(tempFolder(), "partition");
  writeFileSync(path, bytes);
  return path;
}

function checkEsp(context: TestContext, path: string): void {
  const { stdout } = run(requireTool(context, "fsck.vfat"), ["-n", path]);
  expect(stdout.trim().split("\n")).toHaveLength(2);
}

test("sfdisk, fsck.vfat, mtools and systemd-dissect accept a disk", (context) => {
  const disk = join(tempFolder(), "disk.raw");
  const facts = makeDisk(disk, "--loader", LOADER, "--size", "1GiB", "--append", "quiet");
  expect(statSync(disk).size).toBe(1024 * MIB);
  expect(statSync(disk).blocks * 512).toBeLessThan(64 * MIB);

  const verdict = run(requireTool(context, "sfdisk"), ["--verify", disk]);
  expect([verdict.stdout, verdict.stderr]).toEqual([expect.stringContaining("No errors detected"), ""]);

  const [esp] = facts.partitions;
  if (esp === undefined) throw new Error("no partition");
  checkEsp(context, partitionFile(disk, esp));
  const mtype = (path: string) =>
    run(requireTool(context, "mtype"), ["-i", `${disk}@@${esp.offsetBytes}`, path]).stdout;
  const id = `lazyrd-${built().manifest.image.rootHash.slice(0, 16)}`;
  expect(mtype(`::/loader/entries/${id}.conf`)).toMatch(/^options +quiet$/m);
  const copy = join(tempFolder(), "loader");
  run(requireTool(context, "mcopy"), ["-i", `${disk}@@${esp.offsetBytes}`, "::/EFI/BOOT/BOOTX64.EFI", copy]);
  expect(Buffer.compare(readFileSync(copy), readFileSync(LOADER))).toBe(0);

  const dissected = run(requireTool(context, "systemd-dissect"), ["--json=short", disk], { expectFailure: true });
  if (dissected.status === 0) {
    expect(dissected.stdout).toContain(facts.partitions[1]?.guid);
    expect(dissected.stdout).toMatch(/"esp"/);
  }
});

test("the same generation and options give the same bytes", () => {
  const disks = ["one", "two"].map((name) => {
    const path = join(tempFolder(), name);
    makeDisk(path, "--loader", LOADER, "--esp-size", "64MiB");
    return readFileSync(path);
  });
  const [one, two] = disks as [Buffer, Buffer];
  expect(one.equals(two)).toBe(true);
});

test("a root file system is the last partition and on the command line", (context) => {
  const image = join(tempFolder(), "root.ext4");
  run(requireTool(context, "mkfs.ext4"), ["-q", image, "16M"]);
  const disk = join(tempFolder(), "disk.raw");
  const { partitions, commandLine } = makeDisk(disk, "--loader", LOADER, "--esp-size", "64MiB", "--root", image);
  const root = partitions.at(-1);
  if (root === undefined) throw new Error("no partition");
  expect(commandLine).toContain(`root=PARTUUID=${root.guid}`);
  expect(readFileSync(partitionFile(disk, root)).equals(readFileSync(image))).toBe(true);
});

test("lazyrd reads its own disk: the image without a name, the ESP as esp:", () => {
  const disk = join(tempFolder(), "disk.raw");
  makeDisk(disk, "--loader", LOADER, "--esp-size", "64MiB");
  expect(lazyrd(["ls", disk]).stdout).toContain("init");
  expect(lazyrd(["ls", disk, "esp:/EFI/BOOT"]).stdout).toBe("BOOTX64.EFI\n");
  expect(lazyrd(["inspect", disk]).stdout).toMatch(/partition 1: FAT16|partition 1: FAT32/);
  expect(lazyrd(["verify", "--quiet", disk]).status).toBe(0);
});

test("what stands in the way, or is missing, is told in one line, and nothing is left over", () => {
  const folder = tempFolder();
  const disk = join(folder, "disk.raw");
  writeFileSync(disk, "precious");
  copyFileSync(LOADER, join(folder, "loader.efi"));
  const refused = (...options: string[]) => {
    const { status, stderr } = lazyrd(["disk", built().folder, "--quiet", ...options]);
    expect(readdirSync(folder).sort()).toEqual(["disk.raw", "loader.efi"]);
    return [status, stderr.split("\n")[0]];
  };
  expect(refused("-o", disk)).toEqual([2, `lazyrd: Cannot write to ${disk}: there is such a file`]);
  expect(readFileSync(disk, "utf8")).toBe("precious");
  const other = join(folder, "other.raw");
  expect(refused("-o", other, "--uki", disk)).toEqual([
    2,
    `lazyrd: Cannot use ${disk} as the unified kernel image: it is no EFI program`,
  ]);
  expect(refused("-o", other, "--loader", LOADER, "--esp-size", "1MiB")[1]).toMatch(
    /^lazyrd: fat: Cannot make a volume of/,
  );
  expect(refused("-o", other, "--loader", LOADER, "--size", "64MiB")[1]).toMatch(
    /^lazyrd: Cannot make a disk of 67108864 bytes/,
  );
  expect(refused("-o", other, "--loader", LOADER, "--root", built().path("image"))[1]).toMatch(/it is a whole disk$/);
  expect(refused("-o", other, "--loader", LOADER, "--uki", STUB)[1]).toMatch(
    /it has no section \.osrel, so systemd-boot does not show it$/,
  );
  expect(refused("-o", other, "--size", "much")[0]).toBe(2);
  makeDisk(disk, "--force", "--loader", join(folder, "loader.efi"), "--esp-size", "64MiB");
  expect(statSync(disk).size).toBeGreaterThan(64 * MIB);
});

test("a qcow2 image holds the same disk, or qemu-img is asked for before anything is written", () => {
  const folder = tempFolder();
  const [raw, qcow2, back] = ["disk.raw", "disk.qcow2", "back.raw"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const options = ["--loader", LOADER, "--esp-size", "64MiB"];
  const qemuImg = findTool("qemu-img");
  if (qemuImg === undefined) {
    const { status, stderr } = lazyrd(["disk", built().folder, "-o", qcow2, "--qcow2", ...options]);
    expect([status, stderr.split("\n")[0], existsSync(qcow2)]).toEqual([2, "lazyrd: Cannot find qemu-img", false]);
    return;
  }
  makeDisk(raw, ...options);
  makeDisk(qcow2, "--qcow2", ...options);
  run(qemuImg, ["convert", "-O", "raw", qcow2, back]);
  expect(readFileSync(back).equals(readFileSync(raw))).toBe(true);
});

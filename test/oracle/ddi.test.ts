import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { getuid } from "node:process";
import { expect, type TestContext, test } from "vitest";
import { MemorySource, toHex } from "../../src/bytes/index.ts";
import { planDdi, readDdi, type WrittenDdi, writeDdi } from "../../src/formats/ddi/index.ts";
import { verifyVerity } from "../../src/formats/verity/index.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";

const UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

/** A small EROFS image made by mkfs.erofs. */
function makeErofs(context: TestContext, folder: string): string {
  const mkfs = requireTool(context, "mkfs.erofs");
  const root = join(folder, "root");
  mkdirSync(join(root, "usr"), { recursive: true });
  for (let index = 0; index < 20; index++) writeFileSync(join(root, "usr", `file-${index}`), "content ".repeat(5000));
  const image = join(folder, "root.erofs");
  run(mkfs, [`-U${UUID}`, "-T0", image, root]);
  return image;
}

function makeDdi(context: TestContext, sectorSize: number): { image: string; written: WrittenDdi; data: Uint8Array } {
  const folder = tempFolder();
  const data = readFileSync(makeErofs(context, folder));
  const plan = planDdi({
    designator: "root",
    architecture: "x86-64",
    data: { sizeBytes: data.length, emit: (sink) => sink.write(data) },
    verity: { salt: Uint8Array.from({ length: 32 }, (_, index) => index), uuid: UUID },
    sign: () => ({ pkcs7: new Uint8Array(1000).fill(0x30) }),
    sectorSize,
  });
  const image = join(folder, "image.raw");
  const file = openSync(image, "w");
  const written = writeDdi(plan, {
    writeAt: (offset, bytes) => {
      writeSync(file, bytes, 0, bytes.length, offset);
    },
  });
  closeSync(file);
  return { image, written, data };
}

/** systemd's tools attach images to loop devices, which needs root; root in CI has them. */
function requireRoot(context: TestContext): void {
  if (getuid?.() !== 0) context.skip("loop devices need root");
}

test("sfdisk finds no fault with a DDI", (context) => {
  const sfdisk = requireTool(context, "sfdisk");
  const { image } = makeDdi(context, 512);
  const verdict = run(sfdisk, ["--verify", image]);
  expect(verdict.stdout).toContain("No errors detected");
  expect(verdict.stderr).toBe("");
});

test("fdisk reads a DDI with 4096-byte sectors", (context) => {
  const fdisk = requireTool(context, "fdisk");
  const { image, written } = makeDdi(context, 4096);
  const output = run(fdisk, ["-b", "4096", "-l", "-o", "UUID", image]);
  expect(output.stderr).toBe("");
  for (const { partitionGuid } of written.gpt.partitions) expect(output.stdout).toContain(partitionGuid.toUpperCase());
});

test("systemd-dissect finds root, verity and signature by the root hash, and nothing by another one", (context) => {
  requireRoot(context);
  const dissect = requireTool(context, "systemd-dissect");
  const { image, written } = makeDdi(context, 512);
  const rootHash = toHex(written.tree.rootHash);
  const listing = JSON.parse(run(dissect, [`--root-hash=${rootHash}`, "--json=short", image]).stdout) as {
    mounts: Record<string, unknown>[];
  };
  expect(listing.mounts).toMatchObject([
    {
      designator: "root",
      fstype: "erofs",
      architecture: "x86-64",
      rw: "ro",
      // A signature partition makes it "signed": systemd has read and understood its JSON.
      verity: expect.stringMatching(/^(yes|signed)$/),
      partition_uuid: written.gpt.partitions[0]?.partitionGuid,
    },
    { designator: "root-verity", fstype: "DM_verity_hash", partition_uuid: written.gpt.partitions[1]?.partitionGuid },
    { designator: "root-verity-sig", fstype: "verity_hash_signature" },
  ]);
  const other = rootHash.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
  expect(run(dissect, [`--root-hash=${other}`, image], { expectFailure: true }).stderr).toContain("No root partition");
});

test("veritysetup verifies the data and the tree of a DDI where they stand", (context) => {
  const veritysetup = requireTool(context, "veritysetup");
  const { image, written, data } = makeDdi(context, 512);
  const dataFile = `${image}.data`;
  writeFileSync(dataFile, data);
  const offset = written.gpt.partitions[1]?.offsetBytes ?? 0;
  run(veritysetup, ["verify", dataFile, image, toHex(written.tree.rootHash), `--hash-offset=${offset}`]);
});

test("lazyrd reads and verifies a DDI that systemd-repart wrote", (context) => {
  requireRoot(context);
  const repart = requireTool(context, "systemd-repart");
  const folder = tempFolder();
  const definitions = join(folder, "repart.d");
  mkdirSync(definitions);
  const common = ["[Partition]", "VerityMatchKey=tree"];
  const data = [...common, "Type=usr-x86-64", "Verity=data", `CopyBlocks=${makeErofs(context, folder)}`];
  writeFileSync(join(definitions, "10-data.conf"), `${data.join("\n")}\n`);
  writeFileSync(
    join(definitions, "20-hash.conf"),
    `${[...common, "Type=usr-x86-64-verity", "Verity=hash"].join("\n")}\n`,
  );
  const image = join(folder, "image.raw");
  const args = [`--definitions=${definitions}`, "--empty=create", "--size=auto", "--dry-run=no", "--json=short", image];
  const report = JSON.parse(run(repart, args).stdout) as { roothash: string | null }[];
  const rootHash = report.map((line) => line.roothash).find((hash) => hash !== null);

  const ddi = readDdi(new MemorySource(readFileSync(image)));
  expect(ddi.warnings).toEqual([]);
  const [tree] = ddi.trees;
  if (tree?.verity === undefined) throw new Error("No verity partition was found");
  expect(tree).toMatchObject({ designator: "usr", architecture: "x86-64" });
  expect(toHex(tree.verity.rootHash)).toBe(rootHash);
  verifyVerity(tree.data.source, tree.verity.source, tree.verity.rootHash);
});

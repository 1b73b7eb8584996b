import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MemorySink, MemorySource } from "../../src/bytes/index.ts";
import {
  attributesOf,
  type GptPlan,
  partitionTypeGuid,
  planGpt,
  readGpt,
  writeGpt,
} from "../../src/formats/gpt/index.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";

/** As `sfdisk --json` shows a disk. */
interface SfdiskTable {
  readonly partitiontable: {
    readonly id: string;
    readonly firstlba: number;
    readonly lastlba: number;
    readonly sectorsize: number;
    readonly partitions: readonly {
      readonly start: number;
      readonly size: number;
      readonly type: string;
      readonly uuid: string;
      readonly name?: string;
      readonly attrs?: string;
    }[];
  };
}

function makePlan(sectorSize: number): GptPlan {
  return planGpt({
    diskGuid: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    sectorSize,
    partitions: [
      {
        typeGuid: partitionTypeGuid("root-x86-64"),
        partitionGuid: "11111111-2222-3333-4444-555555555555",
        name: "Wurzel ü",
        attributes: attributesOf("required", "read-only", "no-auto"),
        sizeBytes: 3 << 20,
      },
      {
        typeGuid: partitionTypeGuid("usr-verity-sig", "arm64"),
        partitionGuid: "11111111-2222-3333-4444-666666666666",
        name: "x".repeat(36),
        sizeBytes: 1 << 20,
      },
      { typeGuid: partitionTypeGuid("esp"), partitionGuid: "11111111-2222-3333-4444-777777777777", sizeBytes: 4096 },
    ],
  });
}

function writeImage(plan: GptPlan): string {
  const image = join(tempFolder(), "disk.img");
  const sink = new MemorySink();
  writeGpt(
    plan,
    plan.partitions.map(() => new MemorySource(Uint8Array.of(7))),
    sink,
  );
  writeFileSync(image, sink.bytes());
  return image;
}

const readImage = (image: string) => readGpt(new MemorySource(readFileSync(image)));

test("sfdisk reads and verifies what lazyrd wrote", (context) => {
  const sfdisk = requireTool(context, "sfdisk");
  const plan = makePlan(512);
  const image = writeImage(plan);
  const verdict = run(sfdisk, ["--verify", image]);
  expect(verdict.stdout).toContain("No errors detected");
  expect(verdict.stderr).toBe("");
  const { partitiontable } = JSON.parse(run(sfdisk, ["--json", image]).stdout) as SfdiskTable;
  expect(partitiontable).toMatchObject({
    id: plan.diskGuid.toUpperCase(),
    firstlba: plan.layout.firstUsableLba,
    lastlba: plan.layout.lastUsableLba,
    sectorsize: 512,
  });
  expect(
    partitiontable.partitions.map(({ start, size, type, uuid, name }) => [start, size, type, uuid, name ?? ""]),
  ).toEqual(
    plan.partitions.map((partition) => [
      partition.firstLba,
      partition.sizeBytes / 512,
      partition.typeGuid.toUpperCase(),
      partition.partitionGuid.toUpperCase(),
      partition.name,
    ]),
  );
  expect(partitiontable.partitions.map((partition) => partition.attrs)).toEqual([
    "RequiredPartition GUID:60,63",
    undefined,
    undefined,
  ]);
});

test("fdisk reads a disk with 4096-byte sectors", (context) => {
  const fdisk = requireTool(context, "fdisk");
  const plan = makePlan(4096);
  const output = run(fdisk, ["-b", "4096", "-l", "-o", "Start,End,Type-UUID,UUID", writeImage(plan)]);
  expect(output.stderr).toBe("");
  for (const { firstLba, lastLba, typeGuid, partitionGuid } of plan.partitions) {
    const words = [firstLba, lastLba, typeGuid.toUpperCase(), partitionGuid.toUpperCase()];
    expect(output.stdout.replace(/ +/g, " ")).toContain(words.join(" "));
  }
});

test("lazyrd reads what sfdisk wrote", (context) => {
  const sfdisk = requireTool(context, "sfdisk");
  const image = join(tempFolder(), "disk.img");
  writeFileSync(image, "");
  truncateSync(image, 20 << 20);
  const script = [
    "label: gpt",
    "label-id: AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE",
    `start=4096, size=2048, type=${partitionTypeGuid("usr-arm64-verity")}, name="grün", attrs="GUID:60"`,
    `start=2048, size=100, type=${partitionTypeGuid("home")}, uuid=11111111-2222-3333-4444-555555555555`,
    `start=8192, size=2048, type=00112233-4455-6677-8899-aabbccddeeff, attrs="LegacyBIOSBootable GUID:63"`,
  ];
  run(sfdisk, [image], { input: Buffer.from(`${script.join("\n")}\n`) });
  const gpt = readImage(image);
  const { partitiontable } = JSON.parse(run(sfdisk, ["--json", image]).stdout) as SfdiskTable;
  expect(gpt).toMatchObject({
    warnings: [],
    table: "primary",
    sectorSize: 512,
    diskGuid: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    firstUsableLba: partitiontable.firstlba,
    lastUsableLba: partitiontable.lastlba,
  });
  expect(
    gpt.partitions.map(({ firstLba, sizeBytes, partitionGuid }) => [
      firstLba,
      sizeBytes / 512,
      partitionGuid.toUpperCase(),
    ]),
  ).toEqual(partitiontable.partitions.map(({ start, size, uuid }) => [start, size, uuid]));
  expect(gpt.partitions.map(({ typeName, name, attributes }) => [typeName, name, attributes])).toEqual([
    ["usr-arm64-verity", "grün", attributesOf("read-only")],
    ["home", "", 0n],
    [undefined, "", attributesOf("legacy-bios-bootable", "no-auto")],
  ]);
});

test("lazyrd reads what fdisk wrote with 4096-byte sectors", (context) => {
  const fdisk = requireTool(context, "fdisk");
  const image = join(tempFolder(), "disk.img");
  writeFileSync(image, "");
  truncateSync(image, 20 << 20);
  run(fdisk, ["-b", "4096", image], { input: Buffer.from("g\nn\n1\n\n+4M\nn\n5\n\n+1M\nw\n") });
  const gpt = readImage(image);
  expect(gpt).toMatchObject({ warnings: [], sectorSize: 4096 });
  expect(
    gpt.partitions.map(({ number, typeName, offsetBytes, sizeBytes }) => [number, typeName, offsetBytes, sizeBytes]),
  ).toEqual([
    [1, "linux-generic", 1 << 20, 4 << 20],
    [5, "linux-generic", 5 << 20, 1 << 20],
  ]);
});

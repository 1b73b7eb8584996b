import { byteStringFrom, FormatError, fromText, hex, toHex, toText } from "../bytes/index.ts";
import { type Ddi, type DdiTree, dumpDdi, readDdi } from "../formats/ddi/index.ts";
import { isFat } from "../formats/fat/index.ts";
import {
  attributeNames,
  dumpGpt,
  type Gpt,
  type Partition,
  partitionSource,
  readGpt,
  verityPartitionType,
} from "../formats/gpt/index.ts";
import { alignedLines, counted, formatExactSize, formatSize, labelledLines } from "../text/index.ts";
import { isErofs, listErofsOf } from "./erofs.ts";
import { listFatOf } from "./fat.ts";
import { describePart, headOf, type PartContent } from "./part-content.ts";
import type { InspectedFile, Inspection, Listing, Reader } from "./types.ts";
import { type VerifiableTree, verifyTree } from "./verify.ts";

const SIGNATURE = "EFI PART";
/** The header stands in the second sector, whatever size sectors have, and a copy of it in the last one. */
const SECTOR_SIZES = [512, 1024, 2048, 4096];

export const diskReader: Reader = {
  what: "a GPT disk or Discoverable Disk Image",
  matches: (head, { source }) =>
    SECTOR_SIZES.some(
      (size) =>
        hasSignature(head.subarray(size)) ||
        (source.size >= size && hasSignature(source.read(source.size - size, SIGNATURE.length))),
    ),
  inspect,
};

function hasSignature(bytes: Uint8Array): boolean {
  return byteStringFrom(bytes.subarray(0, SIGNATURE.length)) === SIGNATURE;
}

/** Read with the tree that it belongs to. */
const SIGNATURE_CONTENT: PartContent = { name: "signature of a root hash", lines: [], facts: { format: "signature" } };

interface Part {
  readonly partition: Partition;
  readonly content: PartContent;
}

function inspect({ source }: InspectedFile): Inspection {
  const plain = readGpt(source);
  const isDdi = plain.partitions.some(({ typeGuid }) => verityPartitionType(typeGuid)?.role === "data");
  const ddi: Ddi = isDdi ? readDdi(source) : { gpt: plain, trees: [], warnings: plain.warnings };
  const { gpt, trees, warnings } = ddi;
  const parts = gpt.partitions.map((partition): Part => {
    if (verityPartitionType(partition.typeGuid)?.role === "verity-sig")
      return { partition, content: SIGNATURE_CONTENT };
    return { partition, content: describePart(partitionSource(source, partition)) };
  });
  const kind = isDdi ? "Discoverable Disk Image" : "GPT disk";
  return {
    format: isDdi ? "ddi" : "gpt",
    title: `${kind}, ${counted(gpt.partitions.length, "partition")}`,
    lines: [
      ...labelledLines([
        ["size", formatExactSize(source.size)],
        ["disk guid", gpt.diskGuid],
        ["sectors", `${gpt.sectorSize} bytes, ${gpt.table} table`],
      ]),
      ...partitionTable(gpt),
      ...parts.flatMap(partLines),
      ...trees.flatMap(treeLines),
    ],
    facts: {
      diskGuid: gpt.diskGuid,
      sectorSize: gpt.sectorSize,
      table: gpt.table,
      partitions: parts.map(partFacts),
      trees: trees.map(treeFacts),
    },
    warnings,
    problems: [],
    list: () => listParts(source, parts),
    dump: () => (isDdi ? dumpDdi(source) : dumpGpt(source)),
    verify: isDdi ? (progress) => verifyTrees(trees, progress) : undefined,
  };
}

function partitionTable(gpt: Gpt): string[] {
  const rows = gpt.partitions.map(({ number, offsetBytes, sizeBytes, typeName, typeGuid, name, attributes }) => [
    String(number),
    hex(offsetBytes),
    formatSize(sizeBytes),
    typeName ?? typeGuid,
    attributeNames(attributes).join(" ") || "-",
    toText(fromText(name)),
  ]);
  if (rows.length === 0) return [];
  return alignedLines([["partition", "offset", "size", "type", "attributes", "name"], ...rows], [0, 1, 2]);
}

function partLines({ partition, content }: Part): string[] {
  return [
    `  partition ${partition.number}: ${content.name}`,
    ...labelledLines([["guid", partition.partitionGuid]]).map(indented),
    ...content.lines.map(indented),
  ];
}

function indented(line: string): string {
  return `  ${line}`;
}

function treeLines({ designator, architecture, data, verity, signature }: DdiTree): string[] {
  const protection = verity === undefined ? "no verity" : `verity in partition ${verity.partition.number}`;
  const signed = signature === undefined ? "no signature" : `signature in partition ${signature.partition.number}`;
  return [
    `  ${designator} for ${architecture}: data in partition ${data.partition.number}, ${protection}, ${signed}`,
    ...(verity === undefined ? [] : [`    root hash  ${toHex(verity.rootHash)}`]),
  ];
}

function partFacts({ partition, content }: Part): object {
  return {
    number: partition.number,
    name: toText(fromText(partition.name)),
    type: partition.typeName ?? null,
    typeGuid: partition.typeGuid,
    guid: partition.partitionGuid,
    attributes: attributeNames(partition.attributes),
    offsetBytes: partition.offsetBytes,
    sizeBytes: partition.sizeBytes,
    content: content.facts,
  };
}

function treeFacts({ designator, architecture, data, verity, signature }: DdiTree): object {
  return {
    designator,
    architecture,
    dataPartition: data.partition.number,
    verityPartition: verity?.partition.number ?? null,
    signaturePartition: signature?.partition.number ?? null,
    rootHash: verity === undefined ? null : toHex(verity.rootHash),
  };
}

function listParts(source: InspectedFile["source"], parts: readonly Part[]): Listing[] {
  const listings = parts.flatMap(({ partition }) => {
    const part = partitionSource(source, partition);
    const head = headOf(part);
    const list = isErofs(head) ? listErofsOf : isFat(head) ? listFatOf : undefined;
    return list === undefined ? [] : [{ ...list(part), title: `partition ${partition.number}` }];
  });
  if (listings.length > 0) return listings;
  throw new FormatError("Cannot list any partition: none holds an EROFS image or a FAT volume", { format: "gpt" });
}

async function verifyTrees(
  trees: readonly DdiTree[],
  progress: Parameters<typeof verifyTree>[2],
): Promise<readonly string[]> {
  const verified: string[] = [];
  for (const tree of trees) {
    if (!isVerifiable(tree)) {
      throw new FormatError(
        `Cannot verify partition ${tree.data.partition.number}: no hash tree in the image belongs to its GUID`,
        { format: "ddi" },
      );
    }
    verified.push(await verifyTree(tree, tree.verity.rootHash, progress));
  }
  return verified;
}

export function isVerifiable(tree: DdiTree): tree is VerifiableTree {
  return tree.verity !== undefined;
}

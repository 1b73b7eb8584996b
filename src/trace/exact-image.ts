import { customGuid, GUID_SIZE, type PositionedSink, toHex } from "../bytes/index.ts";
import { dataOffsetOf, guidsOfRootHash, hashOffsetOf, planDdi, writeDdi } from "../formats/ddi/index.ts";
import { planErofs } from "../formats/erofs/index.ts";
import type { Architecture } from "../formats/gpt/index.ts";
import { planVerity } from "../formats/verity/index.ts";
import { type ImageFacts, PLAN_HEADER, parsePlan } from "../plan/index.ts";
import type { Tree } from "../tree/index.ts";

/**
 * An image made to see what a boot touches: nothing is compressed, and no block holds parts of two entries. Without
 * read-ahead, each block that is read is then one that was used, and tells by whom.
 */
export interface ExactImage {
  readonly sizeBytes: number;
  write(sink: PositionedSink): ImageFacts;
}

/** More than half of a block: two inodes with an attribute of this size do not share one. */
const SEPARATING_BYTES = 2100;
const SEPARATING_NAME = "user.lazyrd.alone";
/** The image is thrown away after one boot: nothing depends on these being its own. */
const SALT = new Uint8Array();
const UUID = customGuid(new Uint8Array(GUID_SIZE));

/** @param tree is changed: its entries get an attribute */
export function planExactImage(tree: Tree, architecture: Architecture): ExactImage {
  let number = 0;
  for (const node of new Set([...tree.walk()].map((entry) => entry.node))) {
    node.xattrs = new Map([...node.xattrs, [SEPARATING_NAME, separatingValue(number++)]]);
  }
  const data = planErofs(tree, { uuid: UUID, inlineFileTails: false });
  const plan = planDdi({ designator: "root", architecture, data, verity: { salt: SALT, uuid: UUID } });
  return {
    sizeBytes: plan.sizeBytes,
    write: (sink) => {
      const { rootHash, dataBlocks } = writeDdi(plan, sink).tree;
      const partitions = guidsOfRootHash(rootHash);
      return {
        rootHash: toHex(rootHash),
        salt: toHex(SALT),
        dataBlocks,
        hashStartBlock: planVerity(dataBlocks).hashStartBlock,
        dataPartition: partitions.data,
        hashPartition: partitions.verity,
        dataOffsetBytes: dataOffsetOf(plan),
        hashOffsetBytes: hashOffsetOf(plan),
        sizeBytes: plan.sizeBytes,
      };
    },
  };
}

/** Equal attributes would be stored once for all. */
function separatingValue(number: number): Uint8Array {
  const value = new Uint8Array(SEPARATING_BYTES);
  new DataView(value.buffer).setUint32(0, number);
  return value;
}

/**
 * A generation's plan for its exact image: read without read-ahead, and modules loaded one a step, so that each tells
 * its time.
 * @throws FormatError when it is no plan.
 */
export function exactPlan(text: string, image: ImageFacts): string {
  const steps = parsePlan(text);
  const verity = steps.find((step) => step.verb === "verity");
  const nameOf = (key: string) => verity?.words.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1);
  const partitions = new Map([
    [nameOf("data"), image.dataPartition],
    [nameOf("hash"), image.hashPartition],
  ]);
  const lines = steps.flatMap(({ verb, words }) => {
    // A step that waits for one of several images names all of their partitions.
    const isWait = words.some((word) => /^partuuid=.*,/.test(word));
    const partition =
      verb === "device" ? (partitions.get(words[0]) ?? (isWait ? image.dataPartition : undefined)) : undefined;
    if (partition !== undefined) return [line(verb, withOptions(words, { partuuid: partition }))];
    // All that is prefetched would seem to be used.
    if (verb === "mount")
      return [
        line(
          verb,
          words.filter((word) => !word.startsWith("prefetch=")),
        ),
      ];
    if (verb === "verity") return [line(verb, withOptions(words, verityOptions(image)))];
    if (verb === "modules" || verb === "try-modules") return words.map((name) => line(verb, [name]));
    return [line(verb, words)];
  });
  return `${[PLAN_HEADER, ...lines].join("\n")}\n`;
}

function verityOptions(image: ImageFacts): Readonly<Record<string, string>> {
  return {
    "data-blocks": String(image.dataBlocks),
    "hash-start": String(image.hashStartBlock),
    "root-hash": image.rootHash,
    salt: image.salt,
    "read-ahead": "0",
  };
}

function withOptions(words: readonly string[], options: Readonly<Record<string, string>>): string[] {
  const kept = words.filter((word) => !Object.keys(options).some((key) => word.startsWith(`${key}=`)));
  return [...kept, ...Object.entries(options).map(([key, value]) => `${key}=${value}`)];
}

function line(verb: string, words: readonly string[]): string {
  return [verb, ...words].join(" ");
}

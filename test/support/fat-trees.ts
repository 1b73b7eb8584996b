import fc from "fast-check";
import { fromText } from "../../src/bytes/index.ts";
import { encodeFat, type FatOptions } from "../../src/formats/fat/index.ts";
import { upperCase } from "../../src/formats/fat/short-name.ts";
import { type Directory, directory, type Node, regularFile, Tree } from "../../src/tree/index.ts";

export const MIB = 1 << 20;
/** The smallest volumes of each type, in round figures. */
export const FAT16_BYTES = 3 * MIB;
export const FAT32_BYTES = 34 * MIB;

export const FAT_IDENTITY: Omit<FatOptions, "sizeBytes"> = { volumeId: 0x1a2b3c4d, label: "ESP" };

/** 2024-02-29 12:34:56 UTC, an even second as FAT needs it. */
export const SAMPLE_TIME = 1_709_210_096;

/** Names of every sort that FAT can have, contents of zero, some and many clusters, a directory of several clusters. */
export function fatSample(): Tree {
  const tree = new Tree();
  const add = (path: string, content: string, permissions = 0o755): void => {
    tree.setWithParents(fromText(path), regularFile(Buffer.from(content), { mtime: SAMPLE_TIME, permissions }));
  };
  add("EFI/BOOT/BOOTX64.EFI", "program ".repeat(10_000));
  add("EFI/Linux/lazyrd-6.12.117+deb12-amd64.efi", "image");
  add("loader/entries/Entry One.conf", "title one\n");
  add("loader/entries/Entry Two.conf", "title two\n");
  add("empty", "");
  add("write-protected.txt", "do not write", 0o555);
  add(".hidden", "a dot in front");
  add("many.dots.in.it.tar.gz", "dots");
  add("Größe 📏 мера", "not ASCII");
  add("thirteen-long", "a long name that fills its only entry");
  add("A~B", "a short name with a character of its own");
  add("PROGRA~1", "a short name that looks like one with a tail");
  add("Program Files", "whose tail is taken");
  for (let number = 0; number < 40; number++) add(`numbered/a rather long name, number ${number}.text`, `${number}`);
  tree.set("nothing", directory({ mtime: SAMPLE_TIME }));
  return tree;
}

/** A volume of FAT16 or FAT32 with the sample. */
export function sampleVolume(sizeBytes: number, options: Partial<FatOptions> = {}): Uint8Array {
  return encodeFat(fatSample(), { ...FAT_IDENTITY, sizeBytes, ...options });
}

/** Everything that FAT keeps of a tree, by path. */
export function fatFacts(tree: Tree): Record<string, unknown> {
  return Object.fromEntries(
    [...tree.walk()].map(({ path, node }) => {
      const content = node.kind === "file" ? Buffer.from(node.content.read(0, node.content.size)).toString("hex") : "";
      const isReadOnly = node.kind === "file" && (node.permissions & 0o222) === 0;
      // The root directory has no entry, and so no time.
      return [path, { kind: node.kind, content, isReadOnly, mtime: path === "" ? 0 : node.mtime }];
    }),
  );
}

const TIMES = fc
  .integer({ min: Date.UTC(1980, 0, 1) / 2000, max: Date.UTC(2107, 11, 31) / 2000 })
  .map((half) => half * 2);

/** Names that FAT can have, many of them with the same short name. */
const NAMES = fc
  .oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 }),
    fc
      .constantFrom("same beginning", "SAMEBE~1", "a.b.c", ".dots")
      .chain((start) => fc.nat(30).map((n) => `${start}${n}`)),
    fc.stringMatching(/^[A-Z0-9_]{1,8}(\.[A-Z]{1,3})?$/),
  )
  .filter((name) => isStorable(name));

function isStorable(name: string): boolean {
  return name.length <= 255 && !/[\p{Cs}\p{Cc}"*/:<>?\\|]/u.test(name) && !/[. ]$/.test(name);
}

const FILES = fc
  .record({ bytes: fc.nat(5000), seed: fc.nat(255), mtime: TIMES, isReadOnly: fc.boolean() })
  .map(({ bytes, seed, mtime, isReadOnly }) =>
    regularFile(
      Uint8Array.from({ length: bytes }, (_, index) => (index * seed) & 0xff),
      {
        mtime,
        permissions: isReadOnly ? 0o555 : 0o755,
      },
    ),
  );

/** Trees that FAT can hold, with times that it can tell. */
export const fatTrees: fc.Arbitrary<Tree> = fc
  .letrec<{ node: Node; directory: Directory }>((tie) => ({
    node: fc.oneof({ maxDepth: 3, withCrossShrink: true }, FILES, tie("directory")),
    directory: fc
      .tuple(
        TIMES,
        fc.uniqueArray(fc.tuple(NAMES, tie("node")), { maxLength: 7, selector: ([name]) => upperCase(name) }),
      )
      .map(([mtime, entries]) => {
        const made = directory({ mtime });
        for (const [name, node] of entries) made.entries.set(fromText(name), node);
        return made;
      }),
  }))
  .directory.map((root) => new Tree(root));

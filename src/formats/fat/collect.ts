import { type ByteString, byteStringBytes, compareByteStrings, FormatError, toText } from "../../bytes/index.ts";
import type { Directory, Node, RegularFile, Tree } from "../../tree/index.ts";
import { DirectoryEntry, FORMAT, MAX_DIRECTORY_BYTES, MAX_FILE_BYTES, MAX_NAME_UNITS } from "./layout.ts";
import { longEntryCount } from "./long-name.ts";
import { isShortName, ShortNames, upperCase } from "./short-name.ts";

/** An entry of a directory that is to be written. */
export interface CollectedEntry {
  readonly short: string;
  /** Undefined where the short name is the whole name. */
  readonly long: string | undefined;
  readonly item: CollectedItem;
}

export interface CollectedFile {
  readonly node: RegularFile;
  readonly path: ByteString;
}

export interface CollectedDirectory {
  readonly node: Directory;
  readonly path: ByteString;
  /** Undefined for the root. */
  readonly parent: CollectedDirectory | undefined;
  readonly entries: CollectedEntry[];
}

export type CollectedItem = CollectedFile | CollectedDirectory;

/** "." and "..", which every directory but the root has. */
const DOT_ENTRIES = 2;

/** What FAT cannot have in a name (fatgen103, "Long Directory Entries"); Linux refuses the same. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const ILLEGAL = /[\x00-\x1f"*/:<>?\\|]/;

/**
 * Every file and directory of `tree`, directories before their entries, entries in byte order; the root comes first.
 * @throws FormatError for what FAT cannot hold, with its path.
 */
export function collectItems(tree: Tree): [CollectedDirectory, ...CollectedItem[]] {
  const root: CollectedDirectory = { node: tree.root, path: "", parent: undefined, entries: [] };
  const items: [CollectedDirectory, ...CollectedItem[]] = [root];
  const known = new Map<Node, ByteString>([[tree.root, ""]]);
  const pending = [root];
  for (let parent = pending.pop(); parent !== undefined; parent = pending.pop()) {
    const below: CollectedDirectory[] = [];
    for (const { name, short, long } of namesOf(parent)) {
      const node = parent.node.entries.get(name) as Node;
      const path = parent.path === "" ? name : `${parent.path}/${name}`;
      const earlier = known.get(node);
      if (earlier !== undefined) fail(path, `FAT knows no hard links, and it is also /${toText(earlier)}`);
      known.set(node, path);
      const item = collected(node, path, parent);
      parent.entries.push({ short, long, item });
      items.push(item);
      if ("entries" in item) below.push(item);
    }
    checkDirectorySize(parent);
    pending.push(...below.reverse());
  }
  return items;
}

function collected(node: Node, path: ByteString, parent: CollectedDirectory): CollectedItem {
  if (node.kind === "directory") return { node, path, parent, entries: [] };
  if (node.kind !== "file") fail(path, `FAT holds files and directories only, and it is a ${node.kind}`);
  if (node.content.size > MAX_FILE_BYTES) {
    fail(path, `a file on FAT has at most ${MAX_FILE_BYTES} bytes, and it has ${node.content.size}`);
  }
  return { node, path };
}

interface NamedEntry {
  readonly name: ByteString;
  readonly short: string;
  readonly long: string | undefined;
}

/** In byte order. Short names with a number depend on all other names of the directory, and on nothing else. */
function namesOf(directory: CollectedDirectory): NamedEntry[] {
  const names = [...directory.node.entries.keys()].sort(compareByteStrings);
  const shown = (name: ByteString): ByteString => (directory.path === "" ? name : `${directory.path}/${name}`);
  const texts = names.map((name) => ({ name, text: checkedText(name, shown(name)) }));

  const byUpperCase = new Map<string, ByteString>();
  for (const { name, text } of texts) {
    const upper = upperCase(text);
    const other = byUpperCase.get(upper);
    if (other !== undefined) fail(shown(name), `for FAT, it has the same name as ${toText(other)}`);
    byUpperCase.set(upper, name);
  }
  const shortNames = new ShortNames();
  const own = texts.map(({ text }) => shortNames.own(text));
  return texts.map(({ name, text }, index) => ({
    name,
    short: own[index] ?? shortNames.withTail(text),
    long: isShortName(text) ? undefined : text,
  }));
}

/** A name as text. @throws FormatError when FAT cannot have it; `path` is where it stands. */
function checkedText(name: ByteString, path: ByteString): string {
  const bytes = byteStringBytes(name);
  const text = Buffer.from(bytes).toString("utf8");
  if (!Buffer.from(text, "utf8").equals(bytes)) fail(path, "names on FAT are Unicode, and it is not UTF-8");
  const illegal = ILLEGAL.exec(text)?.[0];
  if (illegal !== undefined) fail(path, `a name on FAT cannot have ${JSON.stringify(illegal)}`);
  if (text.length === 0 || text.length > MAX_NAME_UNITS) {
    fail(path, `a name on FAT has 1 to ${MAX_NAME_UNITS} UTF-16 units, and it has ${text.length}`);
  }
  // Windows and Linux strip both when they look a name up, so nobody would find it.
  if (/[. ]$/.test(text)) fail(path, "a name on FAT cannot end with a dot or a space");
  return text;
}

function checkDirectorySize(directory: CollectedDirectory): void {
  const bytes = directoryEntryCount(directory, true) * DirectoryEntry.size;
  if (bytes <= MAX_DIRECTORY_BYTES) return;
  fail(directory.path, `its entries take ${bytes} bytes, and a directory on FAT has at most ${MAX_DIRECTORY_BYTES}`);
}

/** Entries of 32 bytes that a directory has, long names included; the volume's label is one of the root directory. */
export function directoryEntryCount({ parent, entries }: CollectedDirectory, hasLabel: boolean): number {
  const own = parent === undefined ? Number(hasLabel) : DOT_ENTRIES;
  return entries.reduce((sum, { long }) => sum + 1 + (long === undefined ? 0 : longEntryCount(long)), own);
}

function fail(path: ByteString, reason: string): never {
  throw new FormatError(`Cannot write /${toText(path)}: ${reason}`, { format: FORMAT });
}

import { type ByteString, haveSameContent, toText, UsageError } from "../bytes/index.ts";
import { counted } from "../text/index.ts";
import { type Device, type Directory, metadata, type Node, Tree } from "../tree/index.ts";
import { withNode } from "./copy.ts";
import { contentBytes, namesOfLinks, type Outcome } from "./report.ts";

// What overlayfs takes for its own (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories").
const OVERLAY_PREFIX = "trusted.overlay.";
const OPAQUE_NAME = `${OVERLAY_PREFIX}opaque`;
const OPAQUE_VALUE = Uint8Array.of("y".charCodeAt(0));

/** Says of an entry of the layer below that it is not there. */
export function whiteout(): Device {
  return { kind: "character-device", major: 0, minor: 0, ...metadata(0) };
}

export function isWhiteout(node: Node): boolean {
  return node.kind === "character-device" && node.major === 0 && node.minor === 0;
}

/** Hides all entries that the same directory has in the layer below. */
export function isOpaque(node: Node): boolean {
  return node.xattrs.has(OPAQUE_NAME);
}

/** The tree that a layer is made for. */
export interface Base {
  readonly tree: Tree;
  /** The directory that is laid over the one of the same path here; all else is the layer's alone. Default: the whole tree. */
  readonly at?: ByteString | undefined;
  /** Where it was found, for messages. */
  readonly name: string;
  /** What tells it from all others, for the explanation: it must not depend on where the base was found. */
  readonly description: string;
}

/** What a base holds of the tree, and what it must not show. */
interface Counts {
  same: number;
  whiteouts: number;
  opaque: number;
}

/** A tree less what a base has of it. */
export interface Layer {
  readonly tree: Tree;
  /** The files that were left out, in the order of a walk. */
  readonly leftOut: readonly ByteString[];
  readonly outcome: Outcome;
}

/**
 * What of `tree` is not the same in `base` (content, mode, owner, attributes; not times), with what overlayfs needs so
 * that the result, laid over the base, shows exactly `tree`: whiteouts for entries that only the base has, opaque
 * directories where nothing of the base is to be seen. A file with several names is taken from the base only when it
 * has the same names there.
 * @throws UsageError when one of the trees has such entries or attributes itself.
 */
export function differenceTo(tree: Tree, base: Base): Layer {
  refuseOverlayMarks(tree, "the image");
  refuseOverlayMarks(base.tree, base.name);
  const { at = "" } = base;
  const counts: Counts = { same: 0, whiteouts: 0, opaque: 0 };
  const isSame = comparison(tree, base.tree);
  const [own, other] = [directoryAt(tree, at, "the image"), directoryAt(base.tree, at, base.name)];
  const { directory } = differenceOf(own, other, isSame, counts, { isRoot: true });
  const result = at === "" ? new Tree(directory) : withNode(tree, at, directory);
  const { same, whiteouts, opaque } = counts;
  return {
    tree: result,
    leftOut: [...tree.walk()].flatMap(({ path, node }) =>
      node.kind === "file" && result.get(path) === undefined ? [path] : [],
    ),
    outcome: {
      done: [
        {
          setting: "against",
          purpose: `leaves out what is the same in ${base.description}, and is complete only when laid over that`,
          entries: same,
          bytesBefore: contentBytes(tree),
          bytesAfter: contentBytes(result),
          details: [
            ...(whiteouts > 0 ? [`${counted(whiteouts, "whiteout")} for what only the base has`] : []),
            ...(opaque > 0
              ? [`${counted(opaque, "opaque directory", "opaque directories")} that show nothing of the base`]
              : []),
          ],
        },
      ],
      warnings: [],
    },
  };
}

export function directoryAt(tree: Tree, path: ByteString, name: string): Directory {
  const node = path === "" ? tree.root : tree.get(path);
  if (node?.kind === "directory") return node;
  throw new UsageError(`Cannot take the difference: ${name} has no directory /${toText(path)}`);
}

type Comparison = (own: Node, other: Node) => boolean;

interface Difference {
  readonly directory: Directory;
  /** Whether anything in it comes from the base. */
  readonly inherits: boolean;
  /** Whether anything in it hides something of the base. */
  readonly hides: boolean;
}

/** The root is always laid over the base's: overlayfs looks for no mark on it. */
function differenceOf(
  own: Directory,
  base: Directory,
  isSame: Comparison,
  counts: Counts,
  { isRoot }: { readonly isRoot: boolean },
): Difference {
  const before = { ...counts };
  const entries = new Map<ByteString, Node>();
  let inherits = false;
  let hides = false;
  for (const [name, node] of own.entries) {
    const other = base.entries.get(name);
    if (node.kind === "directory" && other?.kind === "directory") {
      const below = differenceOf(node, other, isSame, counts, { isRoot: false });
      const isNeeded = below.directory.entries.size > 0 || isOpaque(below.directory) || !hasSameMetadata(node, other);
      if (isNeeded) entries.set(name, below.directory);
      else counts.same++;
      inherits ||= below.inherits || !isNeeded;
      hides ||= below.hides;
    } else if (other !== undefined && isSame(node, other)) {
      counts.same++;
      inherits = true;
    } else {
      entries.set(name, node);
    }
  }
  for (const name of base.entries.keys()) {
    if (own.entries.has(name)) continue;
    entries.set(name, whiteout());
    counts.whiteouts++;
    hides = true;
  }
  if (inherits || !hides || isRoot) return { directory: { ...own, entries }, inherits, hides };
  // Nothing below comes from the base: one mark for all of it instead of a whiteout for each entry.
  Object.assign(counts, before, { opaque: before.opaque + 1 });
  const xattrs = new Map([...own.xattrs, [OPAQUE_NAME, OPAQUE_VALUE] as const]);
  return { directory: { ...own, xattrs }, inherits, hides };
}

/** Whether two entries that stand at the same path are the same, names of hard links included. */
export function comparison(tree: Tree, base: Tree): Comparison {
  const [ownNames, baseNames] = [namesOfLinks(tree), namesOfLinks(base)];
  return (own, other) => {
    const [names, otherNames] = [ownNames.get(own) ?? [], baseNames.get(other) ?? []];
    const hasSameNames = names.length === otherNames.length && names.every((name, index) => name === otherNames[index]);
    return hasSameNames && isSameNode(own, other);
  };
}

function isSameNode(own: Node, other: Node): boolean {
  if (own.kind !== other.kind || !hasSameMetadata(own, other)) return false;
  if (own.kind === "file" && other.kind === "file") return haveSameContent(own.content, other.content);
  if (own.kind === "symlink" && other.kind === "symlink") return own.target === other.target;
  if ("major" in own && "major" in other) return own.major === other.major && own.minor === other.minor;
  return true;
}

export function hasSameMetadata(own: Node, other: Node): boolean {
  // Nobody asks for the mode of a symlink, and archives disagree about it.
  const hasSameMode = own.permissions === other.permissions || (own.kind === "symlink" && other.kind === "symlink");
  return hasSameMode && own.uid === other.uid && own.gid === other.gid && hasSameXattrs(own, other);
}

function hasSameXattrs({ xattrs: own }: Node, { xattrs: other }: Node): boolean {
  if (own.size !== other.size) return false;
  return [...own].every(([name, value]) => {
    const otherValue = other.get(name);
    return otherValue !== undefined && Buffer.compare(value, otherValue) === 0;
  });
}

function refuseOverlayMarks(tree: Tree, name: string): void {
  for (const { path, node } of tree.walk()) {
    const mark = isWhiteout(node)
      ? "a whiteout"
      : [...node.xattrs.keys()].find((attribute) => attribute.startsWith(OVERLAY_PREFIX));
    if (mark === undefined) continue;
    throw new UsageError(`Cannot take the difference: /${toText(path)} of ${name} is ${mark} of overlayfs already`, {
      hint: "give the trees that such layers are made from, not a layer",
    });
  }
}

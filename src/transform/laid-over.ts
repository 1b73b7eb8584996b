import { type ByteString, toText, UsageError } from "../bytes/index.ts";
import { counted } from "../text/index.ts";
import type { Directory, Node, Tree } from "../tree/index.ts";
import { type Base, comparison, directoryAt, hasSameMetadata, isOpaque, isWhiteout } from "./against.ts";

/** How many faults a message names. */
const SHOWN_FAULTS = 3;

/**
 * Makes sure that a layer, laid over `base`, shows exactly `tree`, although it may have been made for another base.
 * @throws UsageError that names what would be missing, another one, or one too many.
 */
export function requireSameOver(tree: Tree, layer: Tree, base: Base): void {
  const { at = "", name } = base;
  const isSame = comparison(tree, base.tree);
  const faults: string[] = [];
  const look = (path: ByteString, own: Directory, above: Node | undefined, below: Node | undefined): void => {
    const [upper, lower] = [entriesOf(above), above && isOpaque(above) ? new Map() : entriesOf(below)];
    const note = (entry: ByteString, what: string): void => {
      faults.push(`/${toText(path === "" ? entry : `${path}/${entry}`)} ${what}`);
    };
    for (const [entry, node] of own.entries) {
      const [there, here]: (Node | undefined)[] = [lower.get(entry), upper.get(entry)];
      if (node.kind === "directory" && (here !== undefined || there?.kind === "directory")) {
        if (here === undefined && there !== undefined && !hasSameMetadata(node, there))
          note(entry, "is another one there");
        look(path === "" ? entry : `${path}/${entry}`, node, here, there);
      } else if (here === undefined && there === undefined) note(entry, "is not there");
      else if (here === undefined && there !== undefined && !isSame(node, there)) note(entry, "is another one there");
    }
    for (const entry of lower.keys()) {
      const hiding = upper.get(entry);
      if (!own.entries.has(entry) && (hiding === undefined || !isWhiteout(hiding))) note(entry, "would come to light");
    }
  };
  look(at, directoryAt(tree, at, "the image"), layer.get(at), directoryAt(base.tree, at, name));
  if (faults.length === 0) return;
  const others = faults.length - SHOWN_FAULTS;
  const more = others > 0 ? `, and ${counted(others, "other")}` : "";
  throw new UsageError(`Cannot lay the image over ${name}: ${faults.slice(0, SHOWN_FAULTS).join(", ")}${more}`, {
    hint: "what is left out has to be the same there: content, mode, owner and attributes; build against what it is laid over",
  });
}

function entriesOf(node: Node | undefined): ReadonlyMap<ByteString, Node> {
  return node?.kind === "directory" ? node.entries : new Map();
}

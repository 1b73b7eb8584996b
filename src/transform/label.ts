import { type ByteString, byteStringBytes, toText } from "../bytes/index.ts";
import { counted } from "../text/index.ts";
import type { Node, Tree } from "../tree/index.ts";
import { contextOf, type FileContexts, UNKNOWN } from "./file-contexts.ts";
import { contentBytes, type Outcome } from "./report.ts";

export const SELINUX_XATTR = "security.selinux";

/** How many paths a warning names. */
const SHOWN_PATHS = 3;

/**
 * Gives every entry of `tree` the SELinux label that the contexts say. What they say nothing of, or `<<none>>`, keeps
 * what it has; a file with several names gets the label of its first one in byte order.
 */
export function labelFiles(tree: Tree, contexts: FileContexts): Outcome {
  const bytes = contentBytes(tree);
  const labels = new Map<Node, ByteString | undefined>();
  const unknown: ByteString[] = [];
  const contradictions: string[] = [];
  for (const { path, node } of tree.walk()) {
    const context = contextOf(contexts, `/${path}`, node.kind);
    if (context === UNKNOWN) {
      unknown.push(path);
      continue;
    }
    if (labels.has(node)) {
      const first = labels.get(node);
      if (first !== context) contradictions.push(`/${toText(path)} would be ${shown(context)}, but is ${shown(first)}`);
      continue;
    }
    labels.set(node, context);
  }
  let entries = 0;
  for (const [node, context] of labels) {
    if (context === undefined) continue;
    // As setfilecon(3) stores it: with the NUL at its end.
    node.xattrs = new Map([...node.xattrs, [SELINUX_XATTR, byteStringBytes(`${context}\0`)]]);
    entries++;
  }
  const warnings = contradictions.map((text) => `${text}, by its first name: a file has one SELinux label`);
  if (unknown.length > 0) {
    const paths = unknown.slice(0, SHOWN_PATHS).map((path) => `/${toText(path)}`);
    const more = unknown.length > SHOWN_PATHS ? " and others" : "";
    warnings.push(
      `no line of file-contexts says anything about ${counted(unknown.length, "entry", "entries")}: ${paths.join(", ")}${more}`,
    );
  }
  const purpose = "gives entries their SELinux labels";
  return {
    done: [{ setting: "file-contexts", purpose, entries, bytesBefore: bytes, bytesAfter: bytes, details: [] }],
    warnings,
  };
}

function shown(context: ByteString | undefined): string {
  return context === undefined ? "without one" : toText(context);
}

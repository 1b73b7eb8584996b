import { type ByteString, toText, UsageError } from "../bytes/index.ts";
import { FACTORY, FACTORY_DIRECTORIES } from "../plan/index.ts";
import { counted } from "../text/index.ts";
import { directory, type Node, Tree } from "../tree/index.ts";

/** An operating system's tree, taken apart for a root directory of which only /usr is an image. */
export interface UsrTree {
  /** What becomes the image: the content of /usr, with what /etc and /var begin with. */
  readonly usr: Tree;
  /** What else the root directory has: links into /usr, and directories to be filled. */
  readonly skeleton: Tree;
  readonly warnings: readonly string[];
}

/** Of the kernel's file systems, which are mounted whatever the tree has. */
const API_DIRECTORIES = ["dev", "proc", "run", "sys"];
/** The first stage's own, which a link of the tree must not replace. */
const FIRST_STAGE_ENTRIES = ["init", "lazyrd"];
/** Programs are looked for here, by names that scripts have written into them. */
const PROGRAM_DIRECTORIES = /^(?:s?bin|lib(?:32|64|x32)?)$/;
const INTO_USR = /^\/?usr\//;

/**
 * Takes the tree of an operating system apart. What is outside of /usr, /etc and /var, files of /root for instance, has
 * no place in the result, and is named in a warning.
 * @throws UsageError when programs are outside of /usr, or there is no /usr.
 */
export function takeUsr(tree: Tree): UsrTree {
  const usr = tree.get("usr");
  if (usr?.kind !== "directory") {
    throw new UsageError('Cannot use the layout "usr": the tree has no directory /usr');
  }
  const result = new Tree({ ...usr, entries: new Map(usr.entries) });
  const skeleton = new Tree();
  const leftOut: string[] = [];
  for (const [name, node] of tree.root.entries) {
    if (name === "usr" || API_DIRECTORIES.includes(name)) continue;
    if (FACTORY_DIRECTORIES.some((own) => own === name)) {
      putCopied(result, `${FACTORY}/${name}`, node);
    } else if (FIRST_STAGE_ENTRIES.includes(name)) {
      leftOut.push(`/${toText(name)}`);
    } else if (node.kind === "symlink" && INTO_USR.test(node.target)) {
      skeleton.set(name, node);
    } else if (PROGRAM_DIRECTORIES.test(name)) {
      throw new UsageError(`Cannot use the layout "usr": /${toText(name)} is no link into /usr`, {
        hint: "a system with merged directories is needed (Debian: package usrmerge)",
      });
    } else if (node.kind === "directory") {
      skeleton.set(name, { ...node, entries: new Map() });
      if (node.entries.size > 0) leftOut.push(`/${toText(name)} (${counted(node.entries.size, "entry", "entries")})`);
    } else {
      leftOut.push(`/${toText(name)}`);
    }
  }
  const warning = `left out, being outside of /usr, /etc and /var: ${leftOut.sort().join(", ")}`;
  return { usr: result, skeleton, warnings: leftOut.length === 0 ? [] : [warning] };
}

/** Puts a node at `path` of a tree whose own directories on the way are not changed: they may belong to another tree. */
function putCopied(tree: Tree, path: ByteString, node: Node): void {
  const components = path.split("/");
  for (let depth = 1; depth < components.length; depth++) {
    const parent = components.slice(0, depth).join("/");
    const old = tree.get(parent);
    tree.set(parent, old?.kind === "directory" ? { ...old, entries: new Map(old.entries) } : directory());
  }
  tree.set(path, node);
}

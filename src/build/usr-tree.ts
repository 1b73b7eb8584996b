import { toText, UsageError } from "../bytes/index.ts";
import { FACTORY, FACTORY_DIRECTORIES } from "../plan/index.ts";
import { counted } from "../text/index.ts";
import { withNode } from "../transform/index.ts";
import { Tree } from "../tree/index.ts";

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
  let result = new Tree(usr);
  const skeleton = new Tree();
  const leftOut: string[] = [];
  for (const [name, node] of tree.root.entries) {
    if (name === "usr" || API_DIRECTORIES.includes(name)) continue;
    if (FACTORY_DIRECTORIES.some((own) => own === name)) {
      result = withNode(result, `${FACTORY}/${name}`, node);
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

import { type ByteString, byteStringFrom } from "../bytes/index.ts";
import type { Tree } from "../tree/index.ts";

/** The longest line that Linux reads behind "#!" (BINPRM_BUF_SIZE). */
const MAX_INTERPRETER_LINE = 256;
/** As the kernel: an interpreter may be a script again, up to here (exec_binprm). */
const MAX_INTERPRETERS = 5;
const INTERPRETER_LINE = /^#![ \t]*([^ \t\n\0]+)/;

/** What tells systemd that it runs in an initrd (systemd(1)). */
const INITRD_RELEASE = "etc/initrd-release";

/** The paths that a boot looks up to start `init`: itself, the interpreters of scripts, what makes it an initrd. */
export function neededToStart(tree: Tree, init: ByteString): ByteString[] {
  const programs = [fromTop(init)];
  for (let last: ByteString | undefined = init; last !== undefined && programs.length <= MAX_INTERPRETERS; ) {
    last = interpreterOf(tree, last);
    if (last !== undefined) programs.push(fromTop(last));
  }
  return [...programs, INITRD_RELEASE];
}

function interpreterOf(tree: Tree, program: ByteString): ByteString | undefined {
  const node = tree.resolve(program);
  if (node?.kind !== "file") return undefined;
  const start = byteStringFrom(node.content.read(0, Math.min(node.content.size, MAX_INTERPRETER_LINE)));
  return INTERPRETER_LINE.exec(start)?.[1];
}

function fromTop(path: ByteString): ByteString {
  return path.replace(/^\/+/, "");
}

import { FormatError, toText, UsageError } from "../bytes/index.ts";
import type { NextStage } from "../plan/index.ts";
import type { Tree } from "../tree/index.ts";

const INIT = "init";
/** Where an operating system's init is, in the kernel's order (init/main.c), and systemd's own place. */
const SYSTEM_INITS = ["sbin/init", "etc/init", "bin/init", "usr/lib/systemd/systemd"];
/** By which systemd tells an initrd (systemd(1), ENVIRONMENT). */
const INITRD_RELEASE = "etc/initrd-release";
const EXECUTABLE_BITS = 0o111;

/**
 * What the initrd's own /init is and what root directory it accepts.
 * @throws FormatError when there is no program /init: such an initrd would not boot today either.
 */
export function detectNextStage(tree: Tree): Exclude<NextStage, { kind: "system" }> {
  const init = tree.realPath(INIT);
  if (init?.node.kind !== "file" || (init.node.permissions & EXECUTABLE_BITS) === 0) {
    throw new FormatError("Cannot find a program /init in the initrd: is this an initrd that a machine boots with?", {
      format: "initrd",
    });
  }
  const isSystemd = init.path.endsWith("/systemd") && tree.resolve(INITRD_RELEASE) !== undefined;
  return { kind: isSystemd ? "systemd" : "script", init: `/${INIT}` };
}

/**
 * What the init of an operating system is: the place where it really stands, whatever links lead there.
 * @throws FormatError when there is none, UsageError when the tree is an initrd's.
 */
export function detectSystem(tree: Tree): NextStage {
  const found = SYSTEM_INITS.map((path) => tree.realPath(path)).find((entry) => entry?.node.kind === "file");
  if (found === undefined) {
    throw new FormatError(`Cannot find an init in the tree: none of /${SYSTEM_INITS.join(", /")} is a program`, {
      format: "tree",
    });
  }
  if (tree.resolve(INITRD_RELEASE) !== undefined) {
    throw new UsageError(
      `Cannot boot this tree as a system: it has /${INITRD_RELEASE}, so systemd takes it for an initrd`,
      {
        hint: 'use a layout for initrds, such as "partition", or leave the file out with --drop',
      },
    );
  }
  return { kind: "system", init: `/${toText(found.path)}` };
}

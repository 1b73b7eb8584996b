import { FormatError } from "../bytes/index.ts";
import type { NextStage } from "../plan/index.ts";
import type { Tree } from "../tree/index.ts";

const INIT = "init";
const EXECUTABLE_BITS = 0o111;

/**
 * What the initrd's own /init is and what root directory it accepts.
 * @throws FormatError when there is no program /init: such an initrd would not boot today either.
 */
export function detectNextStage(tree: Tree): NextStage {
  const init = tree.realPath(INIT);
  if (init?.node.kind !== "file" || (init.node.permissions & EXECUTABLE_BITS) === 0) {
    throw new FormatError("Cannot find a program /init in the initrd: is this an initrd that a machine boots with?", {
      format: "initrd",
    });
  }
  // systemd takes a tree as an initrd, on whatever file system, when it has this file (systemd(1), ENVIRONMENT).
  const isSystemd = init.path.endsWith("/systemd") && tree.resolve("etc/initrd-release") !== undefined;
  return { kind: isSystemd ? "systemd" : "script", init: `/${INIT}` };
}

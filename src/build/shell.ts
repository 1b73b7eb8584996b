import { UsageError } from "../bytes/index.ts";
import { EM_X86_64 } from "../formats/elf-module/index.ts";
import { parseProgram } from "../formats/elf-program/index.ts";
import { inFile } from "../host/index.ts";
import type { InputFile } from "./build.ts";

/**
 * Refuses a shell that the first stage could not start: it has no libraries.
 * @throws FormatError when it is no program, UsageError when it is one for other places.
 */
export async function requireUsableShell({ path, bytes }: InputFile): Promise<void> {
  const { machine, isStatic } = await inFile(path, () => parseProgram(bytes));
  if (machine !== EM_X86_64) throw new UsageError(`Cannot use ${path} as a shell: it is not for x86-64`);
  if (isStatic) return;
  throw new UsageError(`Cannot use ${path} as a shell: it needs libraries, and the first stage has none`, {
    hint: "give a statically linked one, such as /bin/busybox of Debian's busybox-static",
  });
}

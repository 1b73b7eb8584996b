import { UsageError } from "../bytes/index.ts";
import { EM_X86_64 } from "../formats/elf-module/index.ts";
import { parseProgram } from "../formats/elf-program/index.ts";
import { inFile } from "../host/index.ts";
import type { InputFile } from "./inputs.ts";
import type { UkiInputs } from "./uki.ts";

/**
 * Refuses a shell that the first stage could not start, having no libraries, and one beside which signed policies would
 * protect nothing: whoever opens it could unlock by the TPM what they are for.
 * @throws FormatError when it is no program, UsageError when it must not be there.
 */
export async function requireUsableShell({ path, bytes }: InputFile, uki: UkiInputs | undefined): Promise<void> {
  if (uki?.policies !== undefined) {
    throw new UsageError(
      `Cannot build ${path} in as a shell: anybody at the console could then unlock what the TPM guards`,
      {
        hint: "leave out first-stage.shell, or the key of the PCR policies",
      },
    );
  }
  const { machine, isStatic } = await inFile(path, () => parseProgram(bytes));
  if (machine !== EM_X86_64) throw new UsageError(`Cannot use ${path} as a shell: it is not for x86-64`);
  if (isStatic) return;
  throw new UsageError(`Cannot use ${path} as a shell: it needs libraries, and the first stage has none`, {
    hint: "give a statically linked one, such as /bin/busybox of Debian's busybox-static",
  });
}

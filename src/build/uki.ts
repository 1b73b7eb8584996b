import { UsageError } from "../bytes/index.ts";
import { inFile } from "../host/index.ts";
import type { Tree } from "../tree/index.ts";
import { assembleUki, findOsRelease, readStub, type UkiProfile } from "../uki/index.ts";
import type { InputFile } from "./build.ts";

/** A variant of the image: what is given replaces what the image has. */
export interface UkiProfileInputs {
  readonly id: string;
  readonly title?: string | undefined;
  readonly commandLine?: string | undefined;
  readonly kernel?: InputFile | undefined;
  readonly initrd?: InputFile | undefined;
}

/** What a unified kernel image needs besides kernel, first stage and command line. */
export interface UkiInputs {
  readonly stub: InputFile;
  /** Without it, the initrd's own. */
  readonly osRelease?: InputFile | undefined;
  readonly splash?: InputFile | undefined;
  readonly sbat?: InputFile | undefined;
  readonly pcrPublicKey?: InputFile | undefined;
  readonly profiles: readonly UkiProfileInputs[];
  /** Signs the image for Secure Boot; without it, it is not signed. */
  readonly sign?: ((program: Uint8Array) => Uint8Array) | undefined;
}

export interface UkiFacts {
  readonly kernel: InputFile;
  readonly release: string;
  readonly commandLine: string;
  /** The initrd's. */
  readonly tree: Tree;
}

/** Stands for the first stage until there is one. */
const ANY_INITRD = Uint8Array.of(0);

/**
 * Checks that a unified kernel image can be made of these parts, and returns what makes and signs it, once there is a first
 * stage.
 * @throws UsageError or FormatError for what does not fit.
 */
export async function prepareUki(
  inputs: UkiInputs,
  { kernel, release, commandLine, tree }: UkiFacts,
): Promise<(firstStage: Uint8Array) => Uint8Array> {
  const osRelease = inputs.osRelease?.bytes ?? findOsRelease(tree);
  if (osRelease === undefined) {
    throw new UsageError("Cannot name the unified kernel image: the initrd has no os-release", {
      hint: "give one with --os-release FILE, for instance /etc/os-release",
    });
  }
  const common = { osRelease, commandLine, kernelRelease: release, kernel: kernel.bytes };
  const assemble = (initrd: Uint8Array): Uint8Array =>
    assembleUki({
      stub: inputs.stub.bytes,
      sections: { ...common, splash: inputs.splash?.bytes, pcrPublicKey: inputs.pcrPublicKey?.bytes, initrd },
      profiles: inputs.profiles.map(profileOf),
      sbat: inputs.sbat && Buffer.from(inputs.sbat.bytes).toString("utf8"),
    });
  const { sign = (program) => program } = inputs;
  await inFile(inputs.stub.path, () => readStub(inputs.stub.bytes, "stub"));
  assemble(ANY_INITRD);
  return (firstStage) => sign(assemble(firstStage));
}

function profileOf({ id, title, commandLine, kernel, initrd }: UkiProfileInputs): UkiProfile {
  return { id, title, sections: { commandLine, kernel: kernel?.bytes, initrd: initrd?.bytes } };
}

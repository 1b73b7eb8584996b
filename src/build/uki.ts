import { checkPhase, INITRD_PHASES, PLAIN_PHASES, readMeasuredImage, signPolicies } from "../attest/index.ts";
import { fromText, UsageError } from "../bytes/index.ts";
import { encodePcrSignatures } from "../formats/tpm/index.ts";
import { inFile } from "../host/index.ts";
import type { PolicyKey } from "../keys/index.ts";
import type { Tree } from "../tree/index.ts";
import { assembleUki, findOsRelease, readStub, type UkiOptions, type UkiProfile } from "../uki/index.ts";
import type { InputFile } from "./inputs.ts";

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
  readonly microcode?: InputFile | undefined;
  readonly pcrPublicKey?: InputFile | undefined;
  /** Signs a policy for each phase of the boot; without it, there are none. */
  readonly policies?: { readonly key: PolicyKey; readonly phases: "auto" | readonly string[] } | undefined;
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
  const { policies } = inputs;
  const publicKey = policies === undefined ? inputs.pcrPublicKey?.bytes : Buffer.from(policies.key.publicPem, "utf8");
  const phases =
    policies === undefined || policies.phases === "auto" ? phasesOf(tree) : policies.phases.map(checkPhase);
  const common = { osRelease, commandLine, kernelRelease: release, kernel: kernel.bytes };
  const assemble = (initrd: Uint8Array): Uint8Array => {
    const parts: UkiOptions = {
      stub: inputs.stub.bytes,
      sections: {
        ...common,
        splash: inputs.splash?.bytes,
        pcrPublicKey: publicKey,
        microcode: inputs.microcode?.bytes,
        initrd,
      },
      profiles: inputs.profiles.map(profileOf),
      sbat: inputs.sbat && Buffer.from(inputs.sbat.bytes).toString("utf8"),
    };
    return policies === undefined ? assembleUki(parts) : assembleWithPolicies(parts, policies.key, phases);
  };
  const { sign = (program) => program } = inputs;
  await inFile(inputs.stub.path, () => readStub(inputs.stub.bytes, "stub"));
  assemble(ANY_INITRD);
  return (firstStage) => sign(assemble(firstStage));
}

/** The unit in which systemd, from an initrd, measures that the initrd begins and ends (systemd-pcrphase(8)). */
const INITRD_PHASE_UNITS = ["usr/lib", "lib"].map((folder) =>
  fromText(`${folder}/systemd/system/systemd-pcrphase-initrd.service`),
);

/** The phases that a boot through this initrd has. */
function phasesOf(tree: Tree): readonly string[] {
  return INITRD_PHASE_UNITS.some((path) => tree.resolve(path) !== undefined) ? INITRD_PHASES : PLAIN_PHASES;
}

/** What a person should know of the policies that are signed: with which phases they are about. */
export function policyWarnings({ policies }: UkiInputs, tree: Tree): string[] {
  if (policies?.phases !== "auto" || phasesOf(tree) === INITRD_PHASES) return [];
  const missing = "the initrd does not measure the phases of the boot (with dracut, add its module systemd-pcrphase)";
  return [`${missing}: PCR policies are signed for the time before the first phase`];
}

/**
 * Policies are about all other sections, and nothing measures them themselves: so the image is put together without them
 * first. With profiles, each one has its own.
 */
function assembleWithPolicies(parts: UkiOptions, key: PolicyKey, phases: readonly string[]): Uint8Array {
  const { sections, profiles = [] } = parts;
  const image = readMeasuredImage(assembleUki(parts));
  const signed = (profile: number): Uint8Array =>
    Buffer.from(encodePcrSignatures(signPolicies(image, profile, phases, key)), "utf8");
  if (profiles.length === 0) return assembleUki({ ...parts, sections: { ...sections, pcrSignature: signed(0) } });
  return assembleUki({
    ...parts,
    profiles: profiles.map((profile, index) => ({
      ...profile,
      sections: { ...profile.sections, pcrSignature: signed(index) },
    })),
  });
}

function profileOf({ id, title, commandLine, kernel, initrd }: UkiProfileInputs): UkiProfile {
  return { id, title, sections: { commandLine, kernel: kernel?.bytes, initrd: initrd?.bytes } };
}

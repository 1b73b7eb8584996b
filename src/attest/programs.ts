import { authenticodeDigest } from "../formats/pe/index.ts";
import { EVENT_TYPES } from "../formats/tpm/index.ts";
import { type ExpectedEvent, measured, separator } from "./expected.ts";
import { contentInMemory, type MeasuredImage, sectionsOf } from "./sections.ts";

/** The PCR of the programs that the firmware starts. */
export const PROGRAM_PCR = 4;

/** The last stub that has the firmware load the kernel, which measures it once more; newer ones do it themselves. */
const LAST_STUB_THAT_LOADS = 257;

/** A program of the chain: a boot loader, for instance. */
export interface ChainProgram {
  readonly name: string;
  readonly program: Uint8Array;
}

/**
 * What firmware measures of the programs it starts: each one's Authenticode digest, which does not change when a program is
 * signed. With Secure Boot on, stubs start the kernel without the firmware, which would refuse it.
 */
export function programEvents(
  loaders: readonly ChainProgram[],
  uki: MeasuredImage & { readonly name: string },
  profile: number,
  secureBoot: boolean,
): ExpectedEvent[] {
  const action = Buffer.from("Calling EFI Application from Boot Option", "latin1");
  const started = ({ name, program }: ChainProgram): ExpectedEvent => ({
    pcr: PROGRAM_PCR,
    type: EVENT_TYPES.EV_EFI_BOOT_SERVICES_APPLICATION,
    digest: authenticodeDigest(program),
    what: `program ${name}`,
  });
  const kernel = sectionsOf(uki, profile).get(".linux");
  const loadsKernel = kernel !== undefined && !secureBoot && uki.stubVersion <= LAST_STUB_THAT_LOADS;
  return [
    measured(PROGRAM_PCR, EVENT_TYPES.EV_EFI_ACTION, action, "a boot option is started"),
    separator(PROGRAM_PCR),
    ...[...loaders, uki].map(started),
    ...(loadsKernel
      ? [started({ name: `the kernel in ${uki.name}`, program: contentInMemory(uki.program, kernel) })]
      : []),
  ];
}

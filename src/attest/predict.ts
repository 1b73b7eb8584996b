import type { ParsedStep } from "../plan/index.ts";
import { type Companions, companionEvents, EXTENSION_PCR, KERNEL_CONFIG_PCR } from "./companions.ts";
import { type ExpectedEvent, valueAfter } from "./expected.ts";
import { type PlannedVariant, planMeasurements } from "./first-stage.ts";
import { phaseEvents } from "./phases.ts";
import { type ChainProgram, PROGRAM_PCR, programEvents } from "./programs.ts";
import { KERNEL_BOOT_PCR, readMeasuredImage, sectionEvents, sectionsOf } from "./sections.ts";
import { SECURE_BOOT_PCR, type SecureBootVariables, secureBootEvents } from "./secure-boot.ts";

/** What is known of a boot. */
export interface PredictionInputs {
  readonly uki: ChainProgram;
  /** What is started before it, first to last. */
  readonly loaders: readonly ChainProgram[];
  readonly profile: number;
  /** Phases of the boot, for PCR 11. */
  readonly phases: readonly string[];
  readonly secureBoot: boolean;
  /** Without them, PCR 7 is not predicted. */
  readonly variables: SecureBootVariables | undefined;
  /** Certificates (DER) that each of the loaders and the image are signed by. */
  readonly signers: readonly (readonly Uint8Array[])[];
  readonly companions: Companions;
  /** Of the first stage in the image. */
  readonly plan: readonly ParsedStep[];
}

/** What a PCR is after a phase of the boot. */
export interface PhaseValue {
  /** Words joined by colons, "" before the first phase. */
  readonly phase: string;
  readonly events: readonly ExpectedEvent[];
  readonly value: Uint8Array;
}

export interface PcrPrediction {
  readonly pcr: number;
  /** What happens in every boot, in order. */
  readonly events: readonly ExpectedEvent[];
  /** After these events, and after what the system and the first stage can add to them. */
  readonly values: readonly PhaseValue[];
}

export interface Prediction {
  readonly stubVersion: number;
  readonly secureBoot: boolean;
  readonly pcrs: readonly PcrPrediction[];
  readonly warnings: readonly string[];
}

/**
 * Predicts the PCRs that a boot of a unified kernel image has, as far as what they consist of is known.
 * @throws FormatError when the image is none, UsageError for a profile that it does not have.
 */
export function predict(inputs: PredictionInputs): Prediction {
  const { uki, profile, secureBoot, variables } = inputs;
  const image = { ...readMeasuredImage(uki.program), name: uki.name };
  const hasCommandLine = sectionsOf(image, profile).has(".cmdline");
  const companions = companionEvents(inputs.companions, { profile, secureBoot, hasCommandLine });
  const firstStage = planMeasurements(inputs.plan);
  const unknown = new Set(firstStage.unknown.map(({ pcr }) => pcr));
  const pcrs = new Set([
    KERNEL_CONFIG_PCR,
    EXTENSION_PCR,
    ...firstStage.variants.flatMap(({ events }) => events.map(({ pcr }) => pcr)),
  ]);
  const all: PcrPrediction[] = [
    simple(PROGRAM_PCR, programEvents(inputs.loaders, image, profile, secureBoot)),
    ...(variables === undefined
      ? []
      : [simple(SECURE_BOOT_PCR, secureBootEvents(variables, secureBoot, inputs.signers))]),
    withPhases(sectionEvents(image, profile), inputs.phases),
    ...[...pcrs].map((pcr) => withFirstStage(pcr, companions, firstStage.variants)),
  ];
  return {
    stubVersion: image.stubVersion,
    secureBoot,
    pcrs: all.filter(({ pcr }) => !unknown.has(pcr)).sort((a, b) => a.pcr - b.pcr),
    warnings: firstStage.unknown.map(
      ({ pcr, what }) => `PCR ${pcr} is not predicted: only the machine knows what it measures with ${what}`,
    ),
  };
}

function simple(pcr: number, events: readonly ExpectedEvent[]): PcrPrediction {
  return { pcr, events, values: [{ phase: "", events: [], value: valueAfter(events, pcr) }] };
}

/** Before the first stage, and after each way that it can go. */
function withFirstStage(
  pcr: number,
  companions: readonly ExpectedEvent[],
  variants: readonly PlannedVariant[],
): PcrPrediction {
  const ofPcr = (events: readonly ExpectedEvent[]) => events.filter((event) => event.pcr === pcr);
  const events = ofPcr(companions);
  const after = variants.flatMap((variant): PhaseValue[] => {
    const more = ofPcr(variant.events);
    const phase = variant.name === "" ? "first stage" : `first stage:candidate ${variant.name}`;
    return more.length === 0 ? [] : [{ phase, events: more, value: valueAfter([...events, ...more], pcr) }];
  });
  return { pcr, events, values: [{ phase: "", events: [], value: valueAfter(events, pcr) }, ...after] };
}

function withPhases(events: readonly ExpectedEvent[], phases: readonly string[]): PcrPrediction {
  const values = [...new Set(["", ...phases])].map((phase) => {
    const more = phaseEvents(phase);
    return { phase, events: more, value: valueAfter([...events, ...more], KERNEL_BOOT_PCR) };
  });
  return { pcr: KERNEL_BOOT_PCR, events, values };
}

import { UsageError } from "../bytes/index.ts";
import type { ModulePlan, WantedModule } from "../kernel/index.ts";
import { step } from "./step.ts";
import type { PlanStep } from "./types.ts";

/** Whether the TPM is extended with what was chosen, which PCR of it, and what becomes of a machine without one. */
export interface MeasureOptions {
  readonly when: "never" | "if-present" | "required";
  readonly pcr: number;
}

/** The steps of a plan, with one more behind each that opens an image: nothing of it was used until then. */
export function withMeasurements(steps: readonly PlanStep[], { when, pcr }: MeasureOptions): PlanStep[] {
  if (when === "never") return [...steps];
  const options = [`pcr=${pcr}`, ...(when === "required" ? ["tpm=required"] : [])];
  let candidate: string[] = [];
  return steps.flatMap((each) => {
    if (each.verb === "candidate") candidate = [`text=candidate:${each.words[0]}`];
    if (each.verb === "end") candidate = [];
    if (each.verb !== "verity" && each.verb !== "signed") return [each];
    const words = [...candidate, each.words[0] ?? "", ...options];
    return [each, step("measure", words, [`which image it is, before it is used (PCR ${pcr})`])];
  });
}

/** Drivers of the TPMs that PCs have, as ACPI announces them; most kernels have them built in. */
const TPM_DRIVERS = ["tpm_crb", "tpm_tis"] as const;

/** What measuring needs of the kernel. */
export function tpmModules(when: MeasureOptions["when"]): WantedModule[] {
  if (when === "never") return [];
  return TPM_DRIVERS.map((name) => ({ name, reason: "driver of the TPM that is extended", optional: true }));
}

/** @throws UsageError when the plan insists on a TPM, and the kernel could not drive any. */
export function requireTpmDriver(when: MeasureOptions["when"], absent: ModulePlan["absent"]): void {
  const names = absent.map(({ name }) => name.replaceAll("-", "_"));
  if (when !== "required" || !TPM_DRIVERS.every((driver) => names.includes(driver))) return;
  throw new UsageError(`Cannot measure with this kernel: it has none of the drivers ${TPM_DRIVERS.join(", ")}`, {
    hint: 'take a kernel with CONFIG_TCG_TPM, or set measure.when = "if-present"',
  });
}

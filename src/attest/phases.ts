import { UsageError } from "../bytes/index.ts";
import { EVENT_TYPES } from "../formats/tpm/index.ts";
import { type ExpectedEvent, measured } from "./expected.ts";
import { KERNEL_BOOT_PCR } from "./sections.ts";

/** The phases of a boot through an initrd whose systemd measures them (systemd-measure(1), --phase=). */
export const INITRD_PHASES: readonly string[] = [
  "enter-initrd",
  "enter-initrd:leave-initrd",
  "enter-initrd:leave-initrd:sysinit",
  "enter-initrd:leave-initrd:sysinit:ready",
];

/** Those of a boot in whose initrd nobody measures phases: the first one is none at all. */
export const PLAIN_PHASES: readonly string[] = ["", "sysinit", "sysinit:ready"];

const WORD = /^[a-z][a-z0-9-]*$/;

/**
 * Checks the path of a phase: its words, and those of the phases before it, with colons in between. "" is the time before
 * the first phase.
 * @throws UsageError for any other text.
 */
export function checkPhase(path: string): string {
  if (path === "" || path.split(":").every((word) => WORD.test(word))) return path;
  throw new UsageError(`Cannot use ${JSON.stringify(path)} as a phase of the boot`, {
    hint: 'join words with colons: "enter-initrd:leave-initrd"; "" is the time before the first phase',
  });
}

/** What is measured until a phase is reached. */
export function phaseEvents(path: string): ExpectedEvent[] {
  if (path === "") return [];
  return path
    .split(":")
    .map((word) => measured(KERNEL_BOOT_PCR, EVENT_TYPES.EV_IPL, Buffer.from(word, "utf8"), `phase ${word}`));
}

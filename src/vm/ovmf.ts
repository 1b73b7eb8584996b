import { existsSync } from "node:fs";
import { UsageError } from "../bytes/index.ts";
import { quoteCommas } from "./quote-commas.ts";
import type { Firmware } from "./types.ts";

/** Debian's OVMF with Secure Boot, which only code in system management mode may change, and an empty store for it. */
const OVMF_FILES = {
  code: "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
  variables: "/usr/share/OVMF/OVMF_VARS_4M.fd",
} as const;

/**
 * Where UEFI firmware for virtual machines is: its code, and a store without any variable to be copied.
 * @throws UsageError when it is not installed.
 */
export function findOvmf(): { readonly code: string; readonly variables: string } {
  const missing = Object.values(OVMF_FILES).find((path) => !existsSync(path));
  if (missing === undefined) return OVMF_FILES;
  throw new UsageError(`Cannot find UEFI firmware for virtual machines: there is no ${missing}`, {
    hint: "install it, on Debian: apt install ovmf",
  });
}

/** What stands behind -machine q35: OVMF keeps its variables safe in system management mode. */
export const FIRMWARE_MACHINE = ",smm=on";

/** The arguments that make a machine start as real ones do: by its firmware, from one of its disks. */
export function firmwareArguments({ code, variables }: Firmware): string[] {
  return [
    ...["-drive", `if=pflash,unit=0,format=raw,readonly=on,file=${quoteCommas(code)}`],
    ...["-drive", `if=pflash,unit=1,format=raw,file=${quoteCommas(variables)}`],
    // Without it, the guest's kernel could write to the store past the firmware.
    ...["-global", "driver=cfi.pflash01,property=secure,value=on"],
  ];
}

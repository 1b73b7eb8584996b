import type { ModuleDatabase, WantedModule } from "../kernel/index.ts";

/** Where the kernel keeps code for a processor's own instructions, as opposed to drivers of crypto devices. */
const PROCESSOR_CODE = /\/kernel\/arch\//;

/**
 * Faster implementations of the image's hash. sha256 is computed over every block that is read and over every signed
 * module that is loaded: with the processor's own instructions the boot as a whole takes fewer of them.
 */
export function hashAccelerators(database: ModuleDatabase): WantedModule[] {
  return database
    .resolveAlias("crypto-sha256")
    .filter((name) => PROCESSOR_CODE.test(`/${database.path(name) ?? ""}`))
    .map((name) => ({ name, reason: "sha256 with the processor's own instructions", optional: true }));
}

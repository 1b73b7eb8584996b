import type { ModuleDatabase, WantedModule } from "../kernel/index.ts";
import type { NextStage } from "./types.ts";

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

/** What systemd loads before anything else, where it is not there (src/core/kmod-setup.c); later versions more of it. */
const LOADED_BY_SYSTEMD = ["autofs4", "qemu_fw_cfg", "virtio_rng", "virtio_console"];

/**
 * Modules that the image's init would load at its very start. Carried by the first stage they need no search in the
 * image's lists of modules, no unpacking, and no check of a signature where the first stage's have none.
 */
export function earlyModules(nextStage: NextStage): WantedModule[] {
  if (nextStage.kind !== "systemd") return [];
  return LOADED_BY_SYSTEMD.map((name) => ({ name, reason: "systemd loads it before anything else", optional: true }));
}

import type { BuildConfig, InputFile, UkiInputs } from "../build/index.ts";
import { readInput } from "../host/index.ts";

/** The options of a unified kernel image. */
export interface UkiFlags {
  readonly uki: boolean;
  readonly stub?: string;
  readonly osRelease?: string;
}

/** Where systemd's packages put it (bootctl(1), systemd-stub(7)). */
const DEFAULT_STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

/**
 * Reads the files that a unified kernel image is made of; options are stronger than settings.
 * @throws UsageError when one cannot be read.
 */
export function readUkiInputs(flags: UkiFlags, config: BuildConfig["uki"]): UkiInputs {
  return {
    stub: readFile(flags.stub ?? (config.stub || DEFAULT_STUB), "systemd's stub"),
    osRelease: optionalFile(flags.osRelease ?? config["os-release"], "the os-release"),
    splash: optionalFile(config.splash, "the splash picture"),
    sbat: optionalFile(config.sbat, "the SBAT entries"),
    pcrPublicKey: optionalFile(config["pcr-public-key"], "the public key"),
    profiles: config.profiles.map(({ id, title, kernel, initrd, ...profile }) => ({
      id,
      title,
      commandLine: profile["command-line"],
      kernel: optionalFile(kernel, `the kernel of profile ${id}`),
      initrd: optionalFile(initrd, `the initrd of profile ${id}`),
    })),
  };
}

function optionalFile(path: string | undefined, what: string): InputFile | undefined {
  return path === undefined || path === "" ? undefined : readFile(path, what);
}

function readFile(path: string, what: string): InputFile {
  return { path, bytes: readInput(path, what) };
}

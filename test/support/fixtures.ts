import { spawnSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Debian 12's kernels: the long-term one of its backport, its own, and its own for virtual machines. */
export type KernelFlavour = "6.12-amd64" | "6.1-amd64" | "6.1-cloud-amd64";

/**
 * Who made an initrd; dracut-microcode is dracut's with an early, uncompressed archive of microcode in front, dracut-squash
 * what its module "squash" makes of it.
 */
export type InitrdGenerator = "dracut" | "dracut-microcode" | "dracut-squash" | "initramfs-tools";

export interface KernelFixture {
  /** As uname -r tells it, such as 6.12.117+deb12-amd64. */
  readonly release: string;
  readonly vmlinuz: string;
  readonly config: string;
  /** The folder lib/modules/<release>, with what depmod made. */
  readonly modules: string;
}

const SCRIPT = fileURLToPath(new URL("../../scripts/fixtures.sh", import.meta.url));

const pathsByName = new Map<string, string>();

/** A kernel as its Debian package holds it. Fetched when missing; throws when that fails. */
export function kernelFixture(flavour: KernelFlavour): KernelFixture {
  const folder = realpathSync(fixturePath(`kernels/${flavour}`));
  const release = basename(folder);
  return {
    release,
    vmlinuz: join(folder, "boot", `vmlinuz-${release}`),
    config: join(folder, "boot", `config-${release}`),
    modules: join(folder, "lib", "modules", release),
  };
}

/** The Debian system in which a generator makes its initrds. Made when missing, which takes root; throws when that fails. */
export function treeFixture(generator: "dracut" | "initramfs-tools"): string {
  return realpathSync(fixturePath(`trees/${generator}`));
}

/** The path of a generic initrd, compressed with zstd. Made when missing, which takes root; throws when that fails. */
export function initrdFixture(generator: InitrdGenerator, flavour: KernelFlavour): string {
  return fixturePath(`initrds/${generator}-${flavour}.img`);
}

export interface SystemdFixture {
  readonly version: number;
  readonly stub: string;
  readonly addonStub: string;
  /** A program for python3, and where that finds the modules that it needs. */
  readonly ukify: string;
  readonly pythonPath: string;
}

/** What Debian 13 has of systemd and Debian 12 has not. Fetched when missing; throws when that fails. */
export function systemdFixture(): SystemdFixture {
  const folder = realpathSync(fixturePath("systemd/trixie"));
  const efi = join(folder, "usr/lib/systemd/boot/efi");
  return {
    version: 257,
    stub: join(efi, "linuxx64.efi.stub"),
    addonStub: join(efi, "addonx64.efi.stub"),
    ukify: join(folder, "usr/bin/ukify"),
    pythonPath: join(folder, "usr/lib/python3/dist-packages"),
  };
}

/** A folder with the smallest Debian system that reaches multi-user.target. Made when missing, which takes root. */
export function rootFixture(): string {
  return realpathSync(fixturePath("trees/minimal"));
}

// Where fixtures are and what they depend on is known to the script alone; it is quick when there is nothing to make.
function fixturePath(name: string): string {
  const known = pathsByName.get(name);
  if (known !== undefined) return known;
  const result = spawnSync(SCRIPT, [name], { stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) {
    throw new Error(`Cannot make the fixture ${name}: to see why, run scripts/fixtures.sh ${name}`);
  }
  const path = result.stdout.trim();
  pathsByName.set(name, path);
  return path;
}

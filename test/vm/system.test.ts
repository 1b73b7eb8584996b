import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Generation, readGeneration } from "../../src/build/index.ts";
import { lazyrd } from "../support/cli.ts";
import { kernelFixture, rootFixture } from "../support/fixtures.ts";
import { tempFolder } from "../support/temp.ts";
import { probeFor, section } from "../support/vm-probe.ts";
import { boot, bootToReport, says } from "../support/vm-story.ts";

const kernel = kernelFixture("6.12-amd64");
/** What nobody reads here is left out, so that the image is made sooner. */
const DROP = `[image]
drop = ["usr/share/locale/**", "usr/lib/x86_64-linux-gnu/perl-base/**", "var/cache/**", "var/lib/dpkg/**"]
`;

/** A Debian as it is in a folder, with the given layout. */
function systemGeneration(settings: string): Generation {
  const folder = tempFolder();
  const config = join(folder, "lazyrd.toml");
  writeFileSync(config, `${settings}${DROP}`);
  const output = join(folder, "generation");
  const { status, stderr } = lazyrd([
    ...["build", "--quiet", "--kernel", kernel.vmlinuz, "--modules", kernel.modules, "--tree", rootFixture()],
    ...["--drivers", "virtio", "--config", config, "--output", output],
  ]);
  if (status !== 0) throw new Error(`lazyrd build: ${stderr}`);
  return readGeneration(output);
}

const systemdStarts = (log: readonly string[]): number =>
  log.filter((line) => /systemd\[1\]: systemd \d+.* running in system mode/.test(line)).length;

test("a whole Debian in /usr boots without an initrd, with /etc and /var made anew", async () => {
  const built = systemGeneration('layout = "usr"\n');
  const append = probeFor("dracut", {
    mounts: "bb cat /proc/mounts",
    verity: "bb cat /sys/block/dm-0/dm/uuid",
    machine: "bb cat /etc/hostname; bb ls -1d /var/lib/systemd /bin/sh /tmp; bb ls /etc/initrd-release",
    log: "bb dmesg",
  });
  const report = await bootToReport(built, { append });
  const typeOf = (path: string): string | undefined =>
    section(report, "mounts")
      .map((line) => line.split(" "))
      .find(([, place]) => place === path)?.[2];
  expect(["/", "/usr", "/etc", "/var"].map(typeOf)).toEqual(["tmpfs", "erofs", "overlay", "overlay"]);
  expect(section(report, "verity")).toEqual([`CRYPT-VERITY-${built.manifest.image.rootHash.slice(0, 32)}-root`]);
  expect(section(report, "machine")).toEqual([
    ...[expect.stringMatching(/\S/), "/bin/sh", "/tmp", "/var/lib/systemd"],
    expect.stringContaining("/etc/initrd-release: No such file"),
  ]);
  expect(systemdStarts(section(report, "log"))).toBe(1);
});

test("a whole Debian that is never left comes up on a root directory that nobody can write to", async () => {
  const built = systemGeneration('layout = "system"\n[location]\nroot = "read-only"\n');
  const commandLine = "systemd.log_color=no systemd.show_status=yes";
  const until = /Reached target.*multi-user/i;
  const ending = await boot(built, { commandLine, until });
  expect(ending.end).toBe("reached");
  expect(systemdStarts(ending.console)).toBe(1);
  expect(says(ending, "lazyrd: move /lazyrd/image to /lazyrd/new")).toBe(true);
  // systemd would look for another root, and stop here.
  expect(says(ending, "initrd.target")).toBe(false);
});

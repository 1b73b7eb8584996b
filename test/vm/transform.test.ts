import { expect, test } from "vitest";
import { generation } from "../support/vm-generations.ts";
import { probeFor, section, USUAL_SECTIONS } from "../support/vm-probe.ts";
import { bootToReport } from "../support/vm-story.ts";

/** Of the machine's own disk controller, which no step of the first stage is about: udev finds and loads it. */
const BY_UDEV = "ahci";
/** Not loaded by anybody; needs others. */
const BY_HAND = "btrfs";

/** Without a root file system the initrd would go on to none, and stop the probe while it waits for udev. */
const STAY = "rd.systemd.unit=sysinit.target";

const SECTIONS = {
  udev: `for i in $(bb seq 60); do bb grep -q "^${BY_UDEV} " /proc/modules && break; bb sleep 1; done; udevadm settle`,
  modprobe: `modprobe ${BY_HAND} && echo loaded`,
  file: `modinfo -F filename ${BY_HAND}`,
  packed: "$BB find /usr/lib/modules/ -name '*.ko.*'",
  ...USUAL_SECTIONS,
  taints: "bb cat /proc/modules",
  fatal: "bb dmesg | bb grep -e 'FATAL' -e 'Loading of unsigned module'",
};

test("udev and modprobe load unpacked modules without signatures from the image", async () => {
  const config = '[image]\nmodules = "unpack"\n[modules]\nsignatures = "strip"\n';
  const built = generation({ initrd: "dracut", kernel: "6.12-amd64", config });
  const report = await bootToReport(built, { append: probeFor("dracut", SECTIONS), commandLine: STAY });
  const inFirstStage = built.manifest.explanation.modules.map(({ name }) => name);
  expect(inFirstStage).not.toContain(BY_UDEV);
  expect(section(report, "modules")).toContain(BY_UDEV);
  expect(section(report, "modprobe")).toEqual(["loaded"]);
  expect(section(report, "modules")).toEqual(expect.arrayContaining([BY_HAND, "raid6_pq"]));
  expect(section(report, "file").join()).toMatch(/\/kernel\/fs\/btrfs\/btrfs\.ko$/);
  expect(section(report, "packed")).toEqual([]);
  expect(section(report, "fatal")).toEqual([]);
  // "E": loaded without a signature, which is what was asked for.
  expect(section(report, "taints").filter((line) => !/\(\w*E\w*\)$/.test(line))).toEqual([]);
});

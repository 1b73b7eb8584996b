import { expect, test } from "vitest";
import { byteStringBytes } from "../../src/bytes/index.ts";
import { regularFile } from "../../src/tree/index.ts";
import { fileContent, firstStageContent } from "../support/built-generation.ts";
import { changedFirstStage, generation } from "../support/vm-generations.ts";
import { section, smallProbe } from "../support/vm-probe.ts";
import { bootToReport } from "../support/vm-story.ts";

/** Use what hv_vmbus offers, which is gone again where there is no Hyper-V. */
const NEED_HYPER_V: ReadonlySet<string> = new Set(["hv_storvsc", "pci_hyperv", "pci_hyperv_intf"]);
/** Far below what the set generic has, and far above what this machine would load by itself. */
const MOST_OF_THEM = 50;

for (const kernel of ["6.12-amd64", "6.1-amd64"] as const) {
  test(`${kernel} takes every module of the set generic without its local symbols and its unwind tables`, async () => {
    const built = generation({
      kernel,
      initrd: "small",
      drivers: "generic",
      config: '[modules]\nsignatures = "strip"\nsymbols = "strip"\nunwind = "strip"\n',
    });
    const initrd = await changedFirstStage(built, (tree) => {
      const { drivers } = firstStageContent(tree);
      const names = new Set(drivers.flatMap(({ modules }) => modules).filter((name) => !NEED_HYPER_V.has(name)));
      const plan = fileContent(tree.get("lazyrd/plan")).toString("latin1");
      // A module that finds nothing to do here (ENODEV) has been linked by then; any other refusal ends the boot.
      const all = plan.replace("\ncoldplug ", `\ntry-modules ${[...names].join(" ")}\ncoldplug `);
      tree.set("lazyrd/plan", regularFile(byteStringBytes(all)));
    });
    const report = await bootToReport(built, { initrd, append: smallProbe() });
    expect(section(report, "modules").length).toBeGreaterThan(MOST_OF_THEM);
    expect(section(report, "modules")).toEqual(expect.arrayContaining(["nvme", "ahci", "usb_storage", "mpt3sas"]));
  });
}

import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFailed } from "vitest";
import { findOvmf, runMachine } from "../../src/vm/index.ts";
import { tempFolder } from "./temp.ts";
import { parseReport, type Report } from "./vm-probe.ts";

const TIMEOUT_SECONDS = 900;
/** Of the console of a story that failed. */
const EVIDENCE_LINES = 40;

/** Lets UEFI firmware start a machine from its only disk, and returns what the probe in the next stage reports. */
export async function bootDisk(path: string): Promise<Report> {
  const folder = tempFolder();
  const ovmf = findOvmf();
  const [variables, serial] = [join(folder, "variables"), join(folder, "report")];
  copyFileSync(ovmf.variables, variables);
  const machine = {
    firmware: { code: ovmf.code, variables },
    disks: [{ path, bus: "virtio-blk", readOnly: true }],
    memoryMib: 2048,
    cpus: 1,
    cpuModel: "max",
    countInstructions: false,
    serialFiles: [serial],
  } as const;
  const lines: string[] = [];
  onTestFailed(() => console.error(lines.slice(-EVIDENCE_LINES).join("\n")));
  const { end } = await runMachine(machine, {
    until: () => false,
    timeoutSeconds: TIMEOUT_SECONDS,
    onLine: ({ text }) => lines.push(text),
  });
  const report = parseReport(readFileSync(serial, "latin1"));
  if (report === undefined) throw new Error(`The probe in the next stage did not report: ${end}`);
  return report;
}

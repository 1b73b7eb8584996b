import { expect, test } from "vitest";
import { type FirmwareMachine, qemuArguments } from "../../src/vm/index.ts";

test("a machine with firmware starts from its disks, and nothing but the firmware changes its variables", () => {
  const machine: FirmwareMachine = {
    firmware: { code: "/code,1.fd", variables: "/variables.fd" },
    disks: [{ path: "/disk", bus: "virtio-blk", readOnly: true }],
    memoryMib: 512,
    cpus: 1,
    cpuModel: "max",
    countInstructions: false,
    serialFiles: [],
  };
  const args = qemuArguments(machine);
  const valuesOf = (option: string): (string | undefined)[] =>
    args.flatMap((arg, index) => (arg === option ? [args[index + 1]] : []));
  expect(valuesOf("-machine")).toEqual(["q35,accel=tcg,smm=on"]);
  expect(valuesOf("-drive").slice(0, 2)).toEqual([
    "if=pflash,unit=0,format=raw,readonly=on,file=/code,,1.fd",
    "if=pflash,unit=1,format=raw,file=/variables.fd",
  ]);
  expect(valuesOf("-global")).toEqual(["driver=cfi.pflash01,property=secure,value=on"]);
  expect(args).not.toContain("-kernel");
});

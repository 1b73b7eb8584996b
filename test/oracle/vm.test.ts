import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DISK_BUSES, QEMU, qemuArguments, runMachine } from "../../src/vm/index.ts";
import { sampleMachine } from "../support/fake-qemu.ts";
import { kernelFixture } from "../support/fixtures.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool } from "../support/tools.ts";

describe("the real QEMU", () => {
  test("takes all of the arguments, with commas in every path", async (context) => {
    requireTool(context, QEMU);
    const folder = join(tempFolder(), "a,b,,c");
    mkdirSync(folder);
    const place = (name: string): string => join(folder, `${name},1`);
    const kernel = place("kernel");
    writeFileSync(kernel, readFileSync(kernelFixture("6.12-amd64").vmlinuz));
    writeFileSync(place("initrd"), new Uint8Array(512));
    // One bus twice: names and serial numbers have to differ.
    const buses = [...DISK_BUSES, "nvme"] as const;
    const disks = buses.map((bus, index) => {
      const path = place(`disk${index}`);
      writeFileSync(path, new Uint8Array(1 << 20));
      return { path, bus, readOnly: true };
    });
    const machine = sampleMachine({
      kernel,
      initrd: place("initrd"),
      commandLine: "console=ttyS0 panic=-1",
      disks,
      serialFiles: [place("serial")],
      monitorSocket: place("monitor"),
    });
    let greeting = "";
    const record = await runMachine(machine, {
      until: (line) => line.text.includes("Command line:"),
      timeoutSeconds: 600,
      beforeStop: async () => {
        greeting = await firstWords(place("monitor"));
      },
    });
    expect(record.end, qemuArguments(machine).join(" ")).toBe("reached");
    expect(greeting).toContain('"QMP"');
    expect(readdirSync(folder)).toContain("serial,1");
    expect(readdirSync(folder)).toHaveLength(2 + disks.length + 2);
  });
});

function firstWords(socket: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket);
    connection.once("error", reject);
    connection.once("data", (data) => {
      resolve(data.toString());
      connection.destroy();
    });
  });
}

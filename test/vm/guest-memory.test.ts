import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { regularFile } from "../../src/tree/index.ts";
import { recordMachine } from "../../src/vm/index.ts";
import { encodeArchive } from "../support/build-inputs.ts";
import { sampleMachine } from "../support/fake-qemu.ts";
import { kernelFixture } from "../support/fixtures.ts";
import { tempFolder } from "../support/temp.ts";
import { smallInitrd } from "../support/vm-programs.ts";

const MEMORY_MIB = 512;
const KIB = 1024;
/** Nothing of the guest runs any more when it has said this, and memory is looked at meanwhile. */
const STORY =
  'bb() { /bin/busybox "$@"; }\nbb mount -t proc proc /proc 2>/dev/null\nbb sleep 1\nbb grep MemFree /proc/meminfo\nbb sleep 60\n';

test("memory that is not in use, read from outside, is what the guest itself has free", async () => {
  const initrd = join(tempFolder(), "initrd");
  const tree = smallInitrd();
  tree.set("story", regularFile(Buffer.from(STORY)));
  writeFileSync(initrd, encodeArchive(tree));
  const machine = sampleMachine({
    kernel: kernelFixture("6.1-cloud-amd64").vmlinuz,
    initrd,
    commandLine: "console=ttyS0 printk.time=1",
    memoryMib: MEMORY_MIB,
  });
  const shows = ({ text }: { readonly text: string }): boolean => text.startsWith("MemFree:");
  const { lines, memory } = await recordMachine(machine, { until: shows, timeoutSeconds: 600, looksAtMemory: shows });
  const said = Number(/MemFree:\s+(\d+) kB/.exec(lines.find(shows)?.text ?? "")?.[1]) * KIB;
  const [sample] = memory;
  expect(memory).toHaveLength(1);
  const free = MEMORY_MIB * KIB * KIB - (sample?.usedBytes ?? 0);
  // The program that says it has memory of its own, which is free once it has ended.
  expect(Math.abs(free - said)).toBeLessThan(4 << 20);
});

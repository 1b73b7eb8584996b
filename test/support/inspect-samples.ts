import { MemorySink, type PositionedSink } from "../../src/bytes/index.ts";
import { compress } from "../../src/formats/compression/index.ts";
import { type DdiOptions, planDdi, writeDdi } from "../../src/formats/ddi/index.ts";
import { encodeErofs, planErofs } from "../../src/formats/erofs/index.ts";
import { VerityHasher } from "../../src/formats/verity/index.ts";
import { regularFile, Tree } from "../../src/tree/index.ts";
import { assembleUki } from "../../src/uki/index.ts";
import { encodeArchive, sampleInitrdTree } from "./build-inputs.ts";
import { sampleBzImage, sampleModule } from "./kernel-samples.ts";
import { sampleEfiKernel, sampleStub, text } from "./pe-samples.ts";

export const SAMPLE_UUID = "01234567-89ab-4cde-8f01-23456789abcd";

/** Everything written so far, as one array: a file in memory. */
export class MemoryFile implements PositionedSink {
  bytes = new Uint8Array();

  writeAt(offset: number, bytes: Uint8Array): void {
    if (offset + bytes.length > this.bytes.length) {
      const grown = new Uint8Array(offset + bytes.length);
      grown.set(this.bytes);
      this.bytes = grown;
    }
    this.bytes.set(bytes, offset);
  }
}

/** An early archive with microcode and a compressed one behind it, as dracut makes them. */
export async function sampleTwoSegments(): Promise<Uint8Array> {
  const early = new Tree();
  early.setWithParents("kernel/x86/microcode/GenuineIntel.bin", regularFile(new Uint8Array(64)));
  return Buffer.concat([encodeArchive(early), await compress(encodeArchive(sampleInitrdTree()), { method: "zstd" })]);
}

export function sampleErofs(): Uint8Array {
  return encodeErofs(sampleInitrdTree(), { uuid: SAMPLE_UUID, volumeName: "sample" });
}

export function sampleDdi(more: Partial<DdiOptions> = {}): Uint8Array {
  const file = new MemoryFile();
  const data = planErofs(sampleInitrdTree(), { uuid: SAMPLE_UUID });
  const verity = { salt: Uint8Array.of(1, 2, 3, 4), uuid: SAMPLE_UUID };
  writeDdi(planDdi({ designator: "root", architecture: "x86-64", data, verity, ...more }), file);
  return file.bytes;
}

export function sampleHashArea(): Uint8Array {
  const hasher = new VerityHasher({ salt: new Uint8Array(), uuid: SAMPLE_UUID });
  const sink = new MemorySink();
  planErofs(sampleInitrdTree(), { uuid: SAMPLE_UUID }).emit(sink);
  hasher.write(sink.bytes());
  return hasher.finish().hashArea;
}

export function sampleUki(): Uint8Array {
  const sections = {
    kernel: sampleEfiKernel(),
    commandLine: "quiet",
    osRelease: text('ID=sample\nPRETTY_NAME="A \\"sample\\""\n'),
    initrd: encodeArchive(sampleInitrdTree()),
  };
  return assembleUki({ stub: sampleStub(), sections, profiles: [{ id: "rescue", title: "Rescue", sections: {} }] });
}

/** One small file of each format that can be inspected, and the name that inspect has for it. */
export async function inspectSamples(): Promise<Record<string, { format: string; bytes: Uint8Array }>> {
  const module = sampleModule(["license=GPL", "depends=dm-mod,loop", "name=sample", "vermagic=6.12.1-test SMP "]);
  return {
    "two segments": { format: "initramfs", bytes: await sampleTwoSegments() },
    "plain archive": { format: "initramfs", bytes: encodeArchive(sampleInitrdTree()) },
    "compressed archive": {
      format: "initramfs",
      bytes: await compress(encodeArchive(sampleInitrdTree()), { method: "gzip" }),
    },
    ddi: { format: "ddi", bytes: sampleDdi() },
    erofs: { format: "erofs", bytes: sampleErofs() },
    "hash area": { format: "verity", bytes: sampleHashArea() },
    kernel: { format: "kernel", bytes: sampleBzImage() },
    "unified kernel image": { format: "uki", bytes: sampleUki() },
    module: { format: "module", bytes: module },
    "compressed module": { format: "module", bytes: await compress(module, { method: "gzip" }) },
  };
}

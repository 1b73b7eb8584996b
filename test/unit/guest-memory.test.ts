import { describe, expect, test } from "vitest";
import { freeMemory } from "../../src/vm/guest-memory/free-memory.ts";
import { physicalAddress } from "../../src/vm/guest-memory/page-tables.ts";
import { findVmcoreInfo, VmcoreInfo } from "../../src/vm/guest-memory/vmcoreinfo.ts";

const PAGE = 4096;
const MIB = 1 << 20;

/** Memory of a made-up machine: words at physical addresses, everything else zero. */
class SampleMemory {
  readonly bytes: Buffer;

  constructor(size = 32 * MIB) {
    this.bytes = Buffer.alloc(size);
  }

  set(address: number, value: bigint): void {
    this.bytes.writeBigUInt64LE(value, address);
  }

  readonly word = (address: bigint): bigint => {
    const at = Number(address);
    return at + 8 <= this.bytes.length ? this.bytes.readBigUInt64LE(at) : 0n;
  };

  readonly read = (offset: number, into: Buffer): void => void this.bytes.copy(into, 0, offset);
}

const PRESENT = 1n;
const IS_PAGE = 1n << 7n;
const indexAt = (level: number, virtual: bigint): number => Number((virtual >> (12n + 9n * BigInt(level - 1))) & 511n);

describe("page tables", () => {
  const virtual = 0xffff_8881_2345_6789n;

  test("lead over four levels to a page", () => {
    const memory = new SampleMemory();
    for (let level = 4; level > 1; level--) {
      const table = (5 - level) * PAGE;
      memory.set(table + 8 * indexAt(level, virtual), BigInt(table + PAGE) | PRESENT);
    }
    memory.set(4 * PAGE + 8 * indexAt(1, virtual), 0x8000_0000_0070_0000n | PRESENT);
    expect(physicalAddress(memory.word, BigInt(PAGE), 4, virtual)).toBe(0x70_0789n);
  });

  test.each([
    [2, 0x0140_0000n, 0x0140_0000n + (virtual & 0x1f_ffffn)],
    [3, 0x4000_0000n, 0x4000_0000n + (virtual & 0x3fff_ffffn)],
  ])("end early at a large page of level %d", (last, frame, expected) => {
    const memory = new SampleMemory();
    for (let level = 5; level > last; level--) {
      const table = (6 - level) * PAGE;
      memory.set(table + 8 * indexAt(level, virtual), BigInt(table + PAGE) | PRESENT);
    }
    memory.set((6 - last) * PAGE + 8 * indexAt(last, virtual), frame | PRESENT | IS_PAGE);
    expect(physicalAddress(memory.word, BigInt(PAGE), 5, virtual)).toBe(expected);
  });

  test("lead nowhere where nothing is mapped", () => {
    expect(physicalAddress(new SampleMemory().word, BigInt(PAGE), 4, virtual)).toBeUndefined();
  });
});

const TEXT = [
  "OSRELEASE=6.12.9",
  "SYMBOL(node_data)=ffffffff80300000",
  "SYMBOL(init_top_pgt)=ffffffff80001000",
  "SIZE(zone)=1536",
  "OFFSET(pglist_data.node_zones)=0",
  "OFFSET(pglist_data.nr_zones)=8000",
  "OFFSET(zone.vm_stat)=64",
  "NUMBER(NR_FREE_PAGES)=0",
  "NUMBER(phys_base)=0",
  "NUMBER(pgtable_l5_enabled)=0",
  "",
].join("\n");

describe("what a kernel says about itself", () => {
  test("is found wherever it lies, also across the pieces in which memory is read", () => {
    for (const at of [0, 5 * PAGE, 16 * MIB - PAGE, 32 * MIB - PAGE]) {
      const memory = new SampleMemory();
      memory.bytes.write(TEXT, at, "latin1");
      expect(findVmcoreInfo(memory.read, memory.bytes.length)?.number("SIZE(zone)")).toBe(1536);
    }
  });

  test("is taken for nothing else", () => {
    const memory = new SampleMemory();
    memory.bytes.write("OSRELEASE=6.12.9\nsome text", 3 * PAGE, "latin1");
    memory.bytes.write(TEXT, 4 * PAGE + 8, "latin1");
    expect(findVmcoreInfo(memory.read, memory.bytes.length)).toBeUndefined();
  });

  test("has addresses and numbers; what has neither form is not there", () => {
    const info = new VmcoreInfo(`${TEXT}NUMBER(odd)=0x12\nSYMBOL(odd)=what\nNUMBER(below)=-5\n`);
    expect([info.symbol("node_data"), info.symbol("odd"), info.symbol("none")]).toEqual([
      0xffff_ffff_8030_0000n,
      undefined,
      undefined,
    ]);
    expect([info.number("NUMBER(odd)"), info.number("NUMBER(below)")]).toEqual([undefined, -5]);
  });
});

describe("free memory", () => {
  const [NODE_LIST, NODE] = [0x30_0000, 0x40_0000];
  const KERNEL_MAP = 0xffff_ffff_8000_0000n;

  /** The kernel's image is mapped by large pages, at the beginning of memory. */
  function kernelMemory(): SampleMemory {
    const memory = new SampleMemory();
    memory.set(PAGE + 8 * indexAt(4, KERNEL_MAP), BigInt(2 * PAGE) | PRESENT);
    memory.set(2 * PAGE + 8 * indexAt(3, KERNEL_MAP), BigInt(3 * PAGE) | PRESENT);
    for (let index = 0; index < 16; index++)
      memory.set(3 * PAGE + 8 * index, BigInt(index * 2 * MIB) | PRESENT | IS_PAGE);
    memory.set(NODE_LIST, KERNEL_MAP + BigInt(NODE));
    memory.set(NODE + 8000, 3n | (7n << 32n));
    return memory;
  }

  test("is the sum of the counters of all zones", () => {
    const memory = kernelMemory();
    for (const [zone, pages] of [1000n, -3n, 500n].entries()) {
      memory.set(NODE + zone * 1536 + 64, BigInt.asUintN(64, pages));
    }
    memory.set(NODE + 3 * 1536 + 64, 9999n);
    expect(freeMemory(new VmcoreInfo(TEXT), memory.word)).toBe(1497 * PAGE);
  });

  test("of a kernel without NUMA is that of its only node", () => {
    const memory = kernelMemory();
    memory.set(NODE + 64, 10n);
    const text = TEXT.replace(
      /SYMBOL\(node_data\).*/,
      `SYMBOL(contig_page_data)=${(KERNEL_MAP + BigInt(NODE)).toString(16)}`,
    );
    expect(freeMemory(new VmcoreInfo(text), memory.word)).toBe(10 * PAGE);
  });

  test.each(["init_top_pgt", "phys_base", "zone.vm_stat", "SIZE(zone)", "NR_FREE_PAGES", "nr_zones", "node_data"])(
    "is not known without %s",
    (missing) => {
      const memory = kernelMemory();
      memory.set(NODE + 64, 10n);
      const text = TEXT.split("\n")
        .filter((line) => !line.includes(missing))
        .join("\n");
      expect(freeMemory(new VmcoreInfo(text), memory.word)).toBeUndefined();
    },
  );

  test("is not known where the counters are not there, or make no sense", () => {
    expect(freeMemory(new VmcoreInfo(TEXT), kernelMemory().word)).toBeUndefined();
    const memory = kernelMemory();
    memory.set(NODE + 64, 10n);
    memory.set(NODE + 8000, 99n);
    expect(freeMemory(new VmcoreInfo(TEXT), memory.word)).toBeUndefined();
    expect(freeMemory(new VmcoreInfo(TEXT), new SampleMemory().word)).toBeUndefined();
  });
});

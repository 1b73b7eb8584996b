import { physicalAddress, type ReadWord } from "./page-tables.ts";
import type { VmcoreInfo } from "./vmcoreinfo.ts";

/** Where the kernel's own image is mapped (Documentation/arch/x86/x86_64/mm.rst: __START_KERNEL_map). */
const KERNEL_MAP = 0xffff_ffff_8000_0000n;
const POINTER_BYTES = 8n;
const WORD_BYTES = 8n;
const PAGE_BYTES = 4096;
/** More memory nodes than any machine that QEMU makes here has; entries behind the last are zero. */
const MAX_NODES = 64n;
/** DMA, DMA32, Normal, HighMem, Movable, Device (include/linux/mmzone.h). */
const MAX_ZONES = 6n;
const INT_MASK = 0xffff_ffffn;

/**
 * How much memory the kernel has free, in bytes, as it counts it itself (NR_FREE_PAGES of all zones); undefined where its
 * notes do not say where it counts, or that memory is not there yet.
 */
export function freeMemory(info: VmcoreInfo, readWord: ReadWord): number | undefined {
  const find = kernelAddresses(info, readWord);
  const layout = zoneLayout(info);
  if (find === undefined || layout === undefined) return undefined;
  const wordAt = (virtual: bigint): bigint | undefined => {
    const physical = find(virtual);
    return physical === undefined ? undefined : readWord(physical);
  };
  let pages = 0n;
  for (const node of nodesOf(info, wordAt)) {
    const zones = (wordAt(node + layout.zoneCount) ?? 0n) & INT_MASK;
    if (zones === 0n || zones > MAX_ZONES) return undefined;
    for (let zone = 0n; zone < zones; zone++) {
      const count = wordAt(node + layout.counter + zone * layout.zoneBytes);
      if (count === undefined) return undefined;
      // Processors add what they have counted by themselves from time to time: a sum can be below zero for a moment.
      pages += BigInt.asIntN(64, count);
    }
  }
  return pages <= 0n ? undefined : Number(pages) * PAGE_BYTES;
}

type Find = (virtual: bigint) => bigint | undefined;

/** Finds physical addresses by the kernel's own page table. */
function kernelAddresses(info: VmcoreInfo, readWord: ReadWord): Find | undefined {
  const table = info.symbol("init_top_pgt") ?? info.symbol("swapper_pg_dir");
  const base = info.number("NUMBER(phys_base)");
  if (table === undefined || base === undefined) return undefined;
  const levels = info.number("NUMBER(pgtable_l5_enabled)") === 1 ? 5 : 4;
  return (virtual) => physicalAddress(readWord, table - KERNEL_MAP + BigInt(base), levels, virtual);
}

/** Offsets in a memory node (struct pglist_data). */
interface ZoneLayout {
  /** Of the number of zones that have memory, an int. */
  readonly zoneCount: bigint;
  /** Of the first zone's counter of free pages. */
  readonly counter: bigint;
  /** From one zone to the next. */
  readonly zoneBytes: bigint;
}

function zoneLayout(info: VmcoreInfo): ZoneLayout | undefined {
  const [zoneCount, zones, zoneBytes, counters, index] = [
    "OFFSET(pglist_data.nr_zones)",
    "OFFSET(pglist_data.node_zones)",
    "SIZE(zone)",
    "OFFSET(zone.vm_stat)",
    "NUMBER(NR_FREE_PAGES)",
  ].map((key) => BigInt(info.number(key) ?? -1));
  if (zoneCount === undefined || zones === undefined || zoneBytes === undefined) return undefined;
  if (counters === undefined || index === undefined) return undefined;
  if ([zoneCount, zones, zoneBytes, counters, index].some((value) => value < 0n)) return undefined;
  return { zoneCount, counter: zones + counters + index * WORD_BYTES, zoneBytes };
}

/** The virtual addresses of the memory nodes; a kernel without NUMA has one, in its image. */
function nodesOf(info: VmcoreInfo, wordAt: (virtual: bigint) => bigint | undefined): bigint[] {
  const only = info.symbol("contig_page_data");
  if (only !== undefined) return [only];
  const list = info.symbol("node_data");
  const nodes: bigint[] = [];
  for (let index = 0n; list !== undefined && index < MAX_NODES; index++) {
    const node = wordAt(list + index * POINTER_BYTES);
    if (node === undefined || node === 0n) break;
    nodes.push(node);
  }
  return nodes;
}

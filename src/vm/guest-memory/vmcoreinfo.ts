/**
 * What a kernel writes down about itself for those who look at its memory from outside, crash dumps above all: lines of
 * "KEY=VALUE" in one or two pages (kernel/vmcore_info.c; Documentation/admin-guide/kdump/vmcoreinfo.rst). Addresses are
 * hexadecimal, all other numbers decimal.
 */
export class VmcoreInfo {
  readonly #values: ReadonlyMap<string, string>;

  constructor(text: string) {
    this.#values = new Map(
      text.split("\n").flatMap((line): [string, string][] => {
        const at = line.indexOf("=");
        return at === -1 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
      }),
    );
  }

  /** The virtual address of something that has a name in the kernel. */
  symbol(name: string): bigint | undefined {
    const digits = this.#values.get(`SYMBOL(${name})`);
    return digits === undefined || !/^[0-9a-f]{1,16}$/.test(digits) ? undefined : BigInt(`0x${digits}`);
  }

  /** A number by its whole key: "SIZE(zone)", "OFFSET(zone.vm_stat)", "NUMBER(phys_base)". */
  number(key: string): number | undefined {
    const digits = this.#values.get(key);
    return digits === undefined || !/^-?\d{1,15}$/.test(digits) ? undefined : Number(digits);
  }
}

/** Where the text may begin. */
const PAGE_BYTES = 4096;
const CHUNK_BYTES = 16 << 20;
/** Its first line, and one that no other text with such a line has. */
const BEGINNING = Buffer.from("OSRELEASE=");
const TELLING = "\nSYMBOL(";
/** include/linux/vmcore_info.h: VMCOREINFO_BYTES is a page; some architectures take two. */
const MAX_TEXT_BYTES = 2 * PAGE_BYTES;

/** Reads memory at an offset into a buffer; what is not there stays as it was. */
export type ReadMemory = (offset: number, into: Buffer) => void;

/**
 * Looks for the text in all of a machine's memory; undefined when its kernel has not written it yet, or never does.
 * From the top: kernels allocate there first.
 */
export function findVmcoreInfo(read: ReadMemory, memoryBytes: number): VmcoreInfo | undefined {
  // Each chunk with a page more, so that no text is cut at its end.
  const chunk = Buffer.alloc(CHUNK_BYTES + PAGE_BYTES);
  for (let end = memoryBytes; end > 0; end -= CHUNK_BYTES) {
    const start = Math.max(0, end - CHUNK_BYTES);
    const part = chunk.subarray(0, Math.min(end + PAGE_BYTES, memoryBytes) - start);
    read(start, part);
    for (let page = 0; page < part.length; page += PAGE_BYTES) {
      if (part[page] !== BEGINNING[0]) continue;
      const text = textAt(part, page);
      if (text.startsWith(BEGINNING.toString()) && text.includes(TELLING)) return new VmcoreInfo(text);
    }
  }
  return undefined;
}

function textAt(bytes: Buffer, start: number): string {
  const area = bytes.subarray(start, start + MAX_TEXT_BYTES);
  const end = area.indexOf(0);
  return area.toString("latin1", 0, end === -1 ? area.length : end);
}

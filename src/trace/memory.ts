import type { TraceLine, TraceMemory } from "./types.ts";

const BYTES_PER_K = 1024;
/** mm/mm_init.c: mem_init_print_info */
const TOTAL = /\bMemory: (\d+)K\/(\d+)K available/;
/** init/initramfs.c: what an initrd took, once it has been unpacked */
const INITRD_FREED = /\bFreeing initrd memory: (\d+)K/;

/** What the kernel says of its memory in its log. */
export function memoryOf(lines: readonly TraceLine[]): TraceMemory[] {
  return lines.flatMap(({ ns, text }): TraceMemory[] => {
    const bytes = (digits: string | undefined): number => Number(digits) * BYTES_PER_K;
    const memory = TOTAL.exec(text);
    if (memory !== null) {
      return [
        { ns, what: "total", bytes: bytes(memory[2]) },
        { ns, what: "available", bytes: bytes(memory[1]) },
      ];
    }
    const freed = INITRD_FREED.exec(text);
    return freed === null ? [] : [{ ns, what: "initrd-freed", bytes: bytes(freed[1]) }];
  });
}

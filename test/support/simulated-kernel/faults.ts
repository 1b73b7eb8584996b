import { ERRNO, type ErrnoName } from "./errno.ts";

/** One system call as the program made it. */
export interface Call {
  /** From 0, over all calls. */
  readonly index: number;
  readonly name: string;
  /** Numbers and texts as they are; of a buffer, its length in bytes. */
  readonly args: readonly (string | number | bigint)[];
  /** When it was made. Nanoseconds since the kernel started. */
  readonly at: number;
  /** What it answered. */
  readonly result: number;
}

/** A system call that is made to fail without doing anything. All conditions that are given must hold. */
export interface Fault {
  readonly errno: ErrnoName;
  readonly call?: string;
  /** Only the call with this index. */
  readonly index?: number;
  /** This call and all that come after it. */
  readonly from?: number;
  readonly when?: (call: Omit<Call, "result">) => boolean;
  /** Only the nth call, from 1, for which all else holds. */
  readonly nth?: number;
}

export class FaultInjector {
  readonly #faults: { readonly fault: Fault; seen: number }[] = [];

  fail(fault: Fault): void {
    this.#faults.push({ fault, seen: 0 });
  }

  /** -errno when this call is to fail, else undefined. */
  resultOf(call: Omit<Call, "result">): number | undefined {
    const entry = this.#faults.find((candidate) => {
      if (!applies(candidate.fault, call)) return false;
      candidate.seen++;
      return candidate.fault.nth === undefined || candidate.fault.nth === candidate.seen;
    });
    return entry === undefined ? undefined : -ERRNO[entry.fault.errno];
  }
}

function applies(fault: Fault, call: Omit<Call, "result">): boolean {
  if (fault.call !== undefined && fault.call !== call.name) return false;
  if (fault.index !== undefined && fault.index !== call.index) return false;
  if (fault.from !== undefined && call.index < fault.from) return false;
  return fault.when?.(call) ?? true;
}

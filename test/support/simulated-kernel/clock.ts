const NANOSECONDS_IN_MS = 1_000_000;

/** Time that passes only when the program does something, and what is going to happen at which time. */
export class SimulatedClock {
  /** Nanoseconds since the kernel started. */
  now: number;
  #events: { readonly at: number; readonly order: number; readonly happen: () => void }[] = [];
  #count = 0;

  constructor(startMs: number) {
    this.now = startMs * NANOSECONDS_IN_MS;
  }

  /** Has something happen `delayMs` from now; at once when that is 0. Events of the same time happen in order. */
  schedule(delayMs: number, happen: () => void): void {
    if (delayMs === 0) {
      happen();
      return;
    }
    this.#events.push({ at: this.now + delayMs * NANOSECONDS_IN_MS, order: this.#count++, happen });
    this.#events.sort((a, b) => a.at - b.at || a.order - b.order);
  }

  advance(nanoseconds: number): void {
    this.#passUntil(this.now + nanoseconds, () => false);
  }

  /** Lets time pass until `isDone`, which is asked after each event, or for `milliseconds`; whether it was done. */
  wait(milliseconds: number, isDone: () => boolean): boolean {
    return this.#passUntil(this.now + milliseconds * NANOSECONDS_IN_MS, isDone);
  }

  #passUntil(end: number, isDone: () => boolean): boolean {
    for (;;) {
      if (isDone()) return true;
      const next = this.#events[0];
      if (next === undefined || next.at > end) break;
      this.#events.shift();
      this.now = Math.max(this.now, next.at);
      next.happen();
    }
    this.now = end;
    return false;
  }
}

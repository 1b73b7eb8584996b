import * as kernel from "../kernel";
import { because, compose, INFO, problem, say } from "../report";
import { NANOSECONDS_IN_MS } from "./stream";

/** Who sends less than this in the time that is given is too slow: a peer must not hold up the boot by single bytes. */
const LEAST_PROGRESS: i64 = 256 * 1024;
/** Where a server cannot go on in the middle of a file. */
const MOST_RESTARTS: i32 = 5;
const REPORT_INTERVAL_NS: i64 = 5_000_000_000;
const BYTES_IN_MB: i64 = 1_000_000;

/** A file that is filled from its beginning to its end, and for how long it is worth to wait for more of it. */
@final
export class Transfer {
  file: i32 = -1;
  total: i64 = 0;
  /** How many bytes are there. */
  have: i64 = 0;
  /** When it is given up, unless there is progress. */
  deadline: i64 = 0;
  private patience: i64 = 0;
  private lastMark: i64 = 0;
  private restarts: i32 = 0;
  private start: i64 = 0;
  private nextReport: i64 = 0;

  begin(file: i32, total: i64, timeoutMs: i32): void {
    this.file = file;
    this.total = total;
    this.have = this.lastMark = 0;
    this.restarts = 0;
    this.patience = <i64>timeoutMs * NANOSECONDS_IN_MS;
    this.start = kernel.clock();
    this.deadline = this.start + this.patience;
    this.nextReport = this.start + REPORT_INTERVAL_NS;
  }

  /** The server sends the file from its start. A few times that is fine; false after a description of what is wrong. */
  restart(): bool {
    if (this.have == 0) return true;
    this.have = this.lastMark = 0;
    if (++this.restarts <= MOST_RESTARTS) return true;
    problem("the server breaks off, and sends no part of a file");
    return false;
  }

  get isComplete(): bool {
    return this.have == this.total;
  }

  /** Adds what came; false after a description of what is wrong. */
  take(bytes: usize, length: i32): bool {
    if (this.have + length > this.total) {
      problem("the file there is longer than the image's ").number(this.total).literal(" bytes");
      return false;
    }
    for (let done = 0; done < length; ) {
      const wrote = kernel.pwrite(this.file, bytes + done, length - done, this.have);
      if (wrote <= 0) return because(problem("cannot keep what was fetched"), wrote == 0 ? -kernel.EIO : wrote);
      done += wrote;
      this.have += wrote;
    }
    const now = kernel.clock();
    if (this.have - this.lastMark >= LEAST_PROGRESS) {
      this.lastMark = this.have;
      this.deadline = now + this.patience;
    }
    if (now >= this.nextReport) this.report(now);
    return true;
  }

  private report(now: i64): void {
    this.nextReport = now + REPORT_INTERVAL_NS;
    const line = compose().literal("fetch: ").number(this.have / BYTES_IN_MB).literal(" of ").number(this.total / BYTES_IN_MB);
    line.literal(" MB after ").number((now - this.start) / 1_000_000_000).literal(" s");
    say(INFO);
  }
}

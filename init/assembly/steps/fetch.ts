import { wantedUrl } from "../command-line";
import { readSmallFile } from "../files";
import * as kernel from "../kernel";
import { beginFile, get, Outcome } from "../net/http";
import { Scanner } from "../net/scanner";
import { NANOSECONDS_IN_MS } from "../net/stream";
import { Transfer } from "../net/transfer";
import { Step } from "../plan";
import { because, compose, currentProblem, INFO, outcome, problem, say } from "../report";
import { PATH_MAX, Text, Writer, path } from "../text";
import { Made, noteMade } from "../undo";

const DEFAULT_TIMEOUT_MS: i32 = 30_000;
const FIRST_PAUSE_MS: i32 = 500;
const LONGEST_PAUSE_MS: i32 = 8000;

/** What the kernel and the next stage must have besides the image, or they die of it later and without a word. */
const SPARE_BYTES: i64 = 32 * 1024 * 1024;
/** /proc/meminfo is larger, but what is looked for is in its third line. */
const MEMINFO_CAPACITY: i32 = 512;

const name = new Writer(PATH_MAX);
const link = new Writer(32);
const meminfo = memory.data(MEMINFO_CAPACITY);
const scanner = new Scanner();
const transfer = new Transfer();

/**
 * `fetch FILE url=URL size=N [timeout=Ns]`: fetches N bytes by HTTP into memory, and makes FILE lead there. `lazyrd.url=`
 * on the command line has precedence.
 *
 * The memory belongs to a file without a name, which is freed when its last user has gone: the loop device, when the boot
 * has left the image. FILE is a link to the descriptor that holds it until then.
 */
export function fetchStep(step: Step): bool {
  const file = step.word(1);
  const wanted = wantedUrl;
  const url = wanted !== null ? wanted : step.option("url");
  const size = step.bytes("size", -1);
  if (file.length == 0 || url === null || size <= 0) {
    problem("the plan's line lacks a file, an address or a size");
    return false;
  }
  drop();
  if (!hasRoomFor(size)) return false;
  const start = kernel.clock();
  name.reset().text(file);
  if (!makeFile() || !download(url, size, step.milliseconds("timeout", DEFAULT_TIMEOUT_MS))) {
    drop();
    return false;
  }
  noteMade(new MadeDownload(file));
  outcome().number(size).literal(" bytes from ").text(url).literal(" at ");
  const milliseconds = max<i64>((kernel.clock() - start) / NANOSECONDS_IN_MS, 1);
  outcome().number(size / 1000 / milliseconds).literal(" MB/s");
  return true;
}

/** Another image than was expected must not take the memory that the next one needs. */
@final
class MadeDownload extends Made {
  override takeBack(): i32 {
    return drop();
  }
}

/** Frees what there is of a file; 0 or -errno. */
function drop(): i32 {
  if (transfer.file < 0) return 0;
  kernel.close(transfer.file);
  transfer.file = -1;
  const result = kernel.unlinkat(kernel.AT_FDCWD, name.path(), 0);
  return result == -kernel.ENOENT ? 0 : result;
}

function makeFile(): bool {
  const memory = kernel.memfdCreate(path("lazyrd"), kernel.MFD_CLOEXEC);
  if (memory < 0) return because(problem("cannot make a file in memory"), memory);
  transfer.file = memory;
  link.reset().literal("/proc/self/fd/").number(memory);
  const result = kernel.symlink(link.path(), name.path());
  return result >= 0 || because(problem("cannot make ").text(name.toText()), result);
}

function hasRoomFor(size: i64): bool {
  const available = availableBytes();
  if (available < 0 || available >= size + SPARE_BYTES) return true; // an old kernel does not say
  const report = problem("not enough memory: the image takes ").number(size >> 20).literal(" MiB, and ");
  report.number(available >> 20).literal(" are available, of which ").number(SPARE_BYTES >> 20).literal(" are kept");
  return false;
}

function availableBytes(): i64 {
  const length = readSmallFile(path("/proc/meminfo"), meminfo, MEMINFO_CAPACITY);
  scanner.over(meminfo, max(length, 0));
  while (scanner.length > 0) {
    if (scanner.word("memavailable:")) {
      scanner.skipBlanks();
      return scanner.number() * 1024;
    }
    scanner.position++;
  }
  return -1;
}

/** Goes on where it was broken off, until all is there or it is not worth it any more. */
function download(url: Text, size: i64, timeoutMs: i32): bool {
  beginFile();
  transfer.begin(transfer.file, size, timeoutMs);
  let pauseMs = FIRST_PAUSE_MS;
  while (true) {
    const before = transfer.have;
    const result = get(url, transfer);
    if (result == Outcome.Done) return true;
    if (transfer.have > before) pauseMs = FIRST_PAUSE_MS;
    const isOver = kernel.clock() + <i64>pauseMs * NANOSECONDS_IN_MS >= transfer.deadline;
    if (result == Outcome.Never || isOver) return false;
    compose().literal("fetch: ").text(currentProblem()).literal("; again in ").number(pauseMs).literal(" ms");
    say(INFO);
    kernel.sleep(pauseMs);
    pauseMs = min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

import { findChoice } from "../choices";
import { makeDirectory, writeAll } from "../files";
import * as kernel from "../kernel";
import { Step } from "../plan";
import { because, outcome, problem } from "../report";
import { DIGEST_SIZE, sha256Begin, sha256End, sha256Update } from "../sha256";
import { Text, Writer, path } from "../text";
import { quote } from "../timeline";
import { BankDigest, beginDigests, digestsAreComplete, extendPcr, LARGEST_EVENT, nextDigest } from "../tpm";
import { listenForUevents, waitForUevent } from "../uevents";

/** Of what comes from outside of the UKI: command line, credentials, and so what is chosen of it. */
const DEFAULT_PCR: i64 = 12;
const PCR_COUNT: i64 = 24;
/** A driver that has just been loaded may still be talking to its TPM. */
const DEFAULT_TIMEOUT_MS: i32 = 10_000;
const LONGEST_WAIT_MS: i32 = 500;
const NANOSECONDS_IN_MS: i64 = 1_000_000;
const NANOSECONDS_IN_US: i64 = 1000;

const EQUALS: u8 = 0x3d;
/** As RFC 7464 has it: a record begins with this. */
const RECORD_SEPARATOR: u8 = 0x1e;
/** Twice the text, should all of it be escaped, and the digests of some banks. */
const RECORD_CAPACITY: i32 = 2 * LARGEST_EVENT + 1024;

const event = new Writer(LARGEST_EVENT);
const record = new Writer(RECORD_CAPACITY);
const computed = memory.data(DIGEST_SIZE);

/**
 * `measure NAME... text=WORD pcr=N tpm=required timeout=Ns`: extends a PCR with what was chosen under the names, and notes
 * it in the system's log of measurements. What runs later cannot take it back.
 */
export function measureStep(step: Step): bool {
  const pcr = pcrOf(step);
  if (pcr < 0 || !composeEvent(step)) return false;
  const device = openTpm(step);
  if (device == -kernel.ENOENT && !isRequired(step)) {
    outcome().literal("nothing: this machine has no TPM 2.0");
    return true;
  }
  if (device < 0) return because(problem("cannot open /dev/tpmrm0, the TPM 2.0 of this machine"), device);
  const extended = extendPcr(device, pcr, event.toText());
  kernel.close(device);
  if (!extended || !composeRecord(pcr)) return false;
  const written = appendRecord();
  if (written < 0) return because(problem("cannot write the log of measurements"), written);
  outcome().text(event.toText()).literal(" into PCR ").number(pcr);
  return true;
}

/** -1 for what is no PCR. */
function pcrOf(step: Step): i32 {
  const option = step.option("pcr");
  const pcr = option === null ? DEFAULT_PCR : option.toNumber();
  if (pcr >= 0 && pcr < PCR_COUNT) return <i32>pcr;
  problem("the plan names no valid pcr=");
  return -1;
}

function isRequired(step: Step): bool {
  const tpm = step.option("tpm");
  return tpm !== null && tpm.equals("required");
}

/** Puts together what is measured: a text that says whose it is, then name and value of each choice. */
function composeEvent(step: Step): bool {
  event.reset().literal("lazyrd:");
  const start = event.length;
  for (let i = 1; i < step.words.length; i++) {
    const word = step.words[i];
    const isText = word.startsWith("text=");
    if (!isText && word.indexOf(EQUALS) >= 0) continue;
    if (event.length > start) event.literal(" ");
    if (isText) {
      event.text(word.slice(5, word.length));
      continue;
    }
    const choice = findChoice(word);
    if (choice === null) {
      problem("no step before it chose ").text(word);
      return false;
    }
    event.text(word).literal("=").text(choice);
  }
  if (event.length > start && !event.overflowed) return true;
  problem(event.overflowed ? "there is too much to measure in one step" : "the plan names nothing to measure");
  return false;
}

/** The descriptor of the TPM, or -errno; ENOENT where there is none. Waits for one that the plan insists on. */
function openTpm(step: Step): i32 {
  const deadline = kernel.clock() + <i64>step.milliseconds("timeout", DEFAULT_TIMEOUT_MS) * NANOSECONDS_IN_MS;
  let device = tryTpm();
  while (device == -kernel.ENOENT && isRequired(step) && kernel.clock() < deadline) {
    listenForUevents();
    waitForUevent(LONGEST_WAIT_MS);
    device = tryTpm();
  }
  return device;
}

function tryTpm(): i32 {
  return kernel.openat(kernel.AT_FDCWD, path("/dev/tpmrm0"), kernel.O_RDWR | kernel.O_CLOEXEC, 0);
}

/** The record for systemd's log (docs/formats/tpm.md); false when the TPM did not do what it should have. */
function composeRecord(pcr: i32): bool {
  const text = event.toText();
  record.reset().byte(RECORD_SEPARATOR).literal('{"pcr":').number(pcr).literal(',"digests":[');
  if (!beginDigests()) return false;
  let known = 0;
  for (let digest = nextDigest(); digest !== null; digest = nextDigest()) {
    if (digest.bank.length == 0) continue;
    if (digest.bank == "sha256" && !isDigestOf(digest, text)) return false;
    record.literal(known++ == 0 ? '{"hashAlg":"' : ',{"hashAlg":"').literal(digest.bank).literal('","digest":"');
    record.hex(digest.start, digest.length).literal('"}');
  }
  if (!digestsAreComplete()) return false;
  record.literal('],"content_type":"systemd","content":{"string":');
  quote(record, text);
  record.literal(',"timestamp":').number(kernel.clock() / NANOSECONDS_IN_US).literal(',"eventType":"lazyrd"}}\n');
  assert(!record.overflowed);
  return true;
}

/** On its way to the TPM a command can be changed; this is where it shows. */
function isDigestOf(digest: BankDigest, text: Text): bool {
  sha256Begin();
  sha256Update(text.start, text.length);
  sha256End(computed);
  if (memory.compare(computed, digest.start, DIGEST_SIZE) == 0) return true;
  problem("the TPM has extended something else");
  return false;
}

/** 0 or -errno. */
function appendRecord(): i32 {
  let result = makeDirectory(path("/run/log"), 0o755);
  if (result >= 0) result = makeDirectory(path("/run/log/systemd"), 0o755);
  if (result < 0) return result;
  const flags = kernel.O_WRONLY | kernel.O_CREAT | kernel.O_APPEND | kernel.O_CLOEXEC;
  const log = kernel.openat(kernel.AT_FDCWD, path("/run/log/systemd/tpm2-measure.log"), flags, 0o600);
  if (log < 0) return log;
  result = writeAll(log, record.start, record.length);
  kernel.close(log);
  return result;
}

import * as kernel from "./kernel";
import { because, problem } from "./report";
import { DIGEST_SIZE } from "./sha256";
import { Text, Writer } from "./text";

/**
 * TPM 2.0, as far as the first stage needs it: one command. Numbers are big-endian (TPM 2.0 Library 1.59, parts 2 and 3).
 *
 * TPM2_PCR_Event is TPM2_PCR_Extend with the hashing left to the TPM, which extends every bank that it has, each with its own
 * hash. With TPM2_PCR_Extend a bank that the first stage cannot hash for would stay as it is, and whoever runs later could
 * bring it to any value.
 */

const TPM_ST_NO_SESSIONS: u16 = 0x8001;
const TPM_ST_SESSIONS: u16 = 0x8002;
const TPM_CC_PCR_EVENT: u32 = 0x13c;
const TPM_RS_PW: u32 = 0x40000009;
const TPM_ALG_SHA1: u16 = 0x4;
const TPM_ALG_SHA256: u16 = 0xb;
const TPM_ALG_SHA384: u16 = 0xc;
const TPM_ALG_SHA512: u16 = 0xd;

/** The most that a TPM2B_EVENT holds. */
export const LARGEST_EVENT: i32 = 1024;
/** Header, handle, size of the authorization, and that: a password session with an empty password. */
const COMMAND_OVERHEAD: i32 = 10 + 4 + 4 + 9 + 2;
/** Header and the size of the parameters, in front of the digests. */
const RESPONSE_HEADER: i32 = 10;
const RESPONSE_DIGESTS: i32 = RESPONSE_HEADER + 4;
/** A digest for each of 16 algorithms, and what is around them. */
const LARGEST_RESPONSE: i32 = 2048;

const command = new Writer(LARGEST_EVENT + COMMAND_OVERHEAD);
const response = memory.data(LARGEST_RESPONSE);
let responseLength: i32 = 0;

/** What a bank was extended with. */
@final
export class BankDigest {
  /** The name of the bank, as logs have it; empty for one that is not known here. */
  bank: string = "";
  start: usize = 0;
  length: i32 = 0;
}

const digest = new BankDigest();
let position: i32 = 0;
let left: u32 = 0;

/** Has the TPM behind `device` hash `event` and extend a PCR with it, in all banks. */
export function extendPcr(device: i32, pcr: i32, event: Text): bool {
  command.reset();
  bigEndian16(TPM_ST_SESSIONS);
  bigEndian32(COMMAND_OVERHEAD + event.length);
  bigEndian32(TPM_CC_PCR_EVENT);
  bigEndian32(pcr);
  bigEndian32(9);
  bigEndian32(TPM_RS_PW);
  bigEndian16(0); // no nonce
  command.byte(0); // no attributes
  bigEndian16(0); // no password
  bigEndian16(<u16>event.length);
  command.text(event);
  assert(!command.overflowed);

  // A command is one write, its answer one read (drivers/char/tpm/tpm-dev-common.c).
  const wrote = kernel.write(device, command.start, command.length);
  if (wrote != command.length) return because(problem("cannot send to the TPM"), wrote < 0 ? wrote : -kernel.EIO);
  responseLength = kernel.read(device, response, LARGEST_RESPONSE);
  if (responseLength < 0) return because(problem("cannot read the TPM's answer"), responseLength);
  return isSuccess();
}

function isSuccess(): bool {
  if (responseLength < RESPONSE_HEADER || <i32>bswap(load<u32>(response, 2)) != responseLength) return notUnderstood();
  const tag = bswap(load<u16>(response));
  const code = bswap(load<u32>(response, 6));
  if (code != 0 || tag == TPM_ST_NO_SESSIONS) {
    problem("the TPM refused to extend: response code 0x").hex(response + 6, 4);
    return false;
  }
  return tag == TPM_ST_SESSIONS || notUnderstood();
}

/** Goes to the first of the digests that the TPM says it has extended; `nextDigest` reads them. */
export function beginDigests(): bool {
  if (responseLength < RESPONSE_DIGESTS + 4) return notUnderstood();
  left = bswap(load<u32>(response + RESPONSE_DIGESTS));
  position = RESPONSE_DIGESTS + 4;
  return true;
}

/** Whether there is another digest: null when there is none, or the answer is not understood (`digestsAreComplete`). */
export function nextDigest(): BankDigest | null {
  if (left == 0 || position + 2 > responseLength) return null;
  const algorithm = bswap(load<u16>(response + position));
  const length = digestLength(algorithm);
  if (length == 0 || position + 2 + length > responseLength) return null;
  digest.bank = bankName(algorithm);
  digest.start = response + position + 2;
  digest.length = length;
  position += 2 + length;
  left--;
  return digest;
}

/** Whether `nextDigest` came to the end of all. */
export function digestsAreComplete(): bool {
  return left == 0 || notUnderstood();
}

function notUnderstood(): bool {
  problem("the TPM's answer of ").number(responseLength).literal(" bytes is not one that this first stage understands");
  return false;
}

function bankName(algorithm: u16): string {
  switch (algorithm) {
    case TPM_ALG_SHA1: return "sha1";
    case TPM_ALG_SHA256: return "sha256";
    case TPM_ALG_SHA384: return "sha384";
    case TPM_ALG_SHA512: return "sha512";
    default: return "";
  }
}

/** 0 for an algorithm whose digests' length is not known: what stands behind one of these cannot be read. */
function digestLength(algorithm: u16): i32 {
  switch (algorithm) {
    case TPM_ALG_SHA1: return 20;
    case TPM_ALG_SHA256:
    case 0x12: // SM3
    case 0x27: // SHA3-256
      return DIGEST_SIZE;
    case TPM_ALG_SHA384:
    case 0x28: // SHA3-384
      return 48;
    case TPM_ALG_SHA512:
    case 0x29: // SHA3-512
      return 64;
    default:
      return 0;
  }
}

function bigEndian16(value: u16): void {
  command.byte(<u8>(value >> 8)).byte(<u8>value);
}

function bigEndian32(value: u32): void {
  bigEndian16(<u16>(value >> 16));
  bigEndian16(<u16>value);
}

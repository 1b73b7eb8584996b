import { createHash } from "node:crypto";
import { OpenFile } from "./open-files.ts";

/** Numbers of algorithms (TPM 2.0 Library, part 2, 6.3). */
const ALGORITHMS = { sha1: 0x4, sha256: 0xb, sha384: 0xc, sha512: 0xd } as const;
export type SimulatedBank = keyof typeof ALGORITHMS;

const TPM_CC_PCR_EVENT = 0x13c;
const TPM_RC_COMMAND_CODE = 0x143;
const TPM_RC_SIZE = 0x95;
const TPM_RC_AUTH_MISSING = 0x125;
const HEADER_BYTES = 10;
/** A password session whose nonce, attributes and password are empty. */
const EMPTY_PASSWORD = "00000009400000090000000000";

/** A TPM 2.0 of which the first stage notices no difference. Shares no code with lazyrd. */
export class SimulatedTpm {
  readonly #banks: readonly SimulatedBank[];
  /** By bank and number. */
  readonly pcrs = new Map<string, Buffer>();
  /** What was extended, in order: number and text. */
  readonly events: { readonly pcr: number; readonly text: string }[] = [];
  /** Answers instead of the right one, for TPMs that have a fault. */
  readonly #falsify: ((answer: Buffer) => Buffer) | undefined;

  constructor(options: { banks?: readonly SimulatedBank[]; falsify?: (answer: Buffer) => Buffer } = {}) {
    this.#banks = options.banks ?? ["sha1", "sha256"];
    this.#falsify = options.falsify;
  }

  answer(command: Buffer): Buffer {
    const right = this.#carryOut(command);
    return this.#falsify?.(right) ?? right;
  }

  #carryOut(command: Buffer): Buffer {
    if (command.length < HEADER_BYTES || command.readUInt32BE(2) !== command.length) return refusal(TPM_RC_SIZE);
    if (command.readUInt32BE(6) !== TPM_CC_PCR_EVENT) return refusal(TPM_RC_COMMAND_CODE);
    if (command.readUInt16BE(0) !== 0x8002) return refusal(TPM_RC_AUTH_MISSING);
    const pcr = command.readUInt32BE(HEADER_BYTES);
    if (command.toString("hex", 14, 27) !== EMPTY_PASSWORD) return refusal(TPM_RC_AUTH_MISSING);
    const data = command.subarray(29);
    if (command.readUInt16BE(27) !== data.length || data.length > 1024) return refusal(TPM_RC_SIZE);
    this.events.push({ pcr, text: data.toString("latin1") });
    const digests = this.#banks.map((bank) => {
      const digest = createHash(bank).update(data).digest();
      const key = `${bank}:${pcr}`;
      const before = this.pcrs.get(key) ?? Buffer.alloc(digest.length);
      this.pcrs.set(key, createHash(bank).update(before).update(digest).digest());
      return Buffer.concat([u16(ALGORITHMS[bank]), digest]);
    });
    const parameters = Buffer.concat([u32(digests.length), ...digests]);
    const session = Buffer.from("0000010000", "hex");
    const size = HEADER_BYTES + 4 + parameters.length + session.length;
    return Buffer.concat([u16(0x8002), u32(size), u32(0), u32(parameters.length), parameters, session]);
  }
}

/** /dev/tpmrm0: each command one write, each answer one read. */
export class OpenTpm extends OpenFile {
  readonly #tpm: SimulatedTpm;
  #answer: Buffer = Buffer.alloc(0);

  constructor(tpm: SimulatedTpm) {
    super();
    this.#tpm = tpm;
  }

  override write(bytes: Uint8Array): number {
    this.#answer = this.#tpm.answer(Buffer.from(bytes));
    return bytes.length;
  }

  override read(length: number): Uint8Array {
    const answer = this.#answer.subarray(0, length);
    this.#answer = Buffer.alloc(0);
    return answer;
  }
}

function refusal(code: number): Buffer {
  return Buffer.concat([u16(0x8001), u32(HEADER_BYTES), u32(code)]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

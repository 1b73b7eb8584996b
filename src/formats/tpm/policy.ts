import { BANKS, type Bank, PCR_SELECT_BYTES, TPM_CC_POLICY_PCR } from "./layout.ts";
import { digestIn } from "./replay.ts";

/** What policy sessions hash with, whatever the bank: systemd's choice, and that of every TPM of the PC Client profile. */
const POLICY_HASH: Bank = "sha256";

/**
 * The digest of a policy that is fulfilled while PCRs have these values (TPM 2.0 Library, part 3, TPM2_PolicyPCR).
 * @param values by the number of the PCR
 */
export function policyPcrDigest(bank: Bank, values: ReadonlyMap<number, Uint8Array>): Uint8Array {
  const sorted = [...values].sort(([a], [b]) => a - b);
  const selected = new Uint8Array(PCR_SELECT_BYTES);
  for (const [pcr] of sorted) selected[pcr >> 3] = (selected[pcr >> 3] ?? 0) | (1 << (pcr & 7));
  const before = new Uint8Array(BANKS[POLICY_HASH].digestBytes);
  const pcrDigest = digestIn(POLICY_HASH, ...sorted.map(([, value]) => value));
  return digestIn(POLICY_HASH, before, u32(TPM_CC_POLICY_PCR), pcrSelection(bank, selected), pcrDigest);
}

/** TPML_PCR_SELECTION with one TPMS_PCR_SELECTION. */
function pcrSelection(bank: Bank, selected: Uint8Array): Uint8Array {
  const head = new Uint8Array(7);
  const view = new DataView(head.buffer);
  view.setUint32(0, 1);
  view.setUint16(4, BANKS[bank].algorithm);
  view.setUint8(6, selected.length);
  return Buffer.concat([head, selected]);
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

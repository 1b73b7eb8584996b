import { alignUp, FormatError, MemorySource } from "../../bytes/index.ts";
import { setChecksum } from "./checksum.ts";
import { paddingFor } from "./digest.ts";
import {
  CERTIFICATE_ALIGNMENT,
  DataDirectory,
  FORMAT,
  MAX_CERTIFICATES,
  WIN_CERT_REVISION_2,
  WIN_CERT_TYPE_PKCS_SIGNED_DATA,
  WinCertificate,
} from "./layout.ts";
import { type PeImage, readPe } from "./read.ts";

/**
 * The PKCS#7 messages of a PE file's signatures, in their order; entries of other types are passed over, as firmware
 * does.
 * @throws FormatError when their table is damaged.
 */
export function readSignatures(program: Uint8Array): Uint8Array[] {
  const { certificates } = readPe(new MemorySource(program));
  if (certificates === undefined) return [];
  const end = certificates.offset + certificates.size;
  const signatures: Uint8Array[] = [];
  let count = 0;
  for (let offset = certificates.offset; offset + WinCertificate.size <= end; ) {
    const entry = WinCertificate.parse(program, offset);
    if (entry.dwLength < WinCertificate.size || offset + entry.dwLength > end) {
      fail(`Cannot read a signature of ${entry.dwLength} bytes: ${end - offset} are left`, offset, "dwLength");
    }
    if (++count > MAX_CERTIFICATES) {
      fail(`Cannot read the signatures: expected at most ${MAX_CERTIFICATES}`, offset);
    }
    if (entry.wRevision === WIN_CERT_REVISION_2 && entry.wCertificateType === WIN_CERT_TYPE_PKCS_SIGNED_DATA) {
      signatures.push(program.subarray(offset + WinCertificate.size, offset + entry.dwLength));
    }
    offset += alignUp(entry.dwLength, CERTIFICATE_ALIGNMENT);
  }
  return signatures;
}

/**
 * A copy of a PE file with these signatures (PKCS#7, DER) instead of those it has.
 * @throws FormatError when there is no place for them, or something stands behind the ones it has.
 */
export function withSignatures(program: Uint8Array, signatures: readonly Uint8Array[]): Uint8Array {
  const image = readPe(new MemorySource(program));
  const unsigned = program.subarray(0, endOfProgram(image, program.length));
  const entries = signatures.map(encodeEntry);
  const tableBytes = entries.reduce((sum, entry) => sum + entry.length, 0);
  const padding = tableBytes === 0 ? new Uint8Array(0) : paddingFor(unsigned.length);
  const signed = new Uint8Array(unsigned.length + padding.length + tableBytes);
  signed.set(unsigned);
  let offset = unsigned.length + padding.length;
  const { certificateDirectory, checksum } = image.offsets;
  if (certificateDirectory === undefined) {
    if (tableBytes > 0) fail("Cannot sign this program: its header has no place for a signature", checksum);
  } else {
    const directory = tableBytes === 0 ? { VirtualAddress: 0, Size: 0 } : { VirtualAddress: offset, Size: tableBytes };
    DataDirectory.write(signed, certificateDirectory, directory);
  }
  for (const entry of entries) {
    signed.set(entry, offset);
    offset += entry.length;
  }
  setChecksum(signed, checksum);
  return signed;
}

function endOfProgram({ certificates }: PeImage, fileBytes: number): number {
  if (certificates === undefined) return fileBytes;
  const end = certificates.offset + certificates.size;
  // What stands behind the signatures is hashed by nobody: it is dropped only if it cannot mean anything.
  if (alignUp(end, CERTIFICATE_ALIGNMENT) < fileBytes) {
    fail(`Cannot replace the signatures: ${fileBytes - end} bytes stand behind them`, end);
  }
  return certificates.offset;
}

function encodeEntry(signature: Uint8Array): Uint8Array {
  const length = WinCertificate.size + signature.length;
  const entry = new Uint8Array(alignUp(length, CERTIFICATE_ALIGNMENT));
  WinCertificate.write(entry, 0, {
    dwLength: length,
    wRevision: WIN_CERT_REVISION_2,
    wCertificateType: WIN_CERT_TYPE_PKCS_SIGNED_DATA,
  });
  entry.set(signature, WinCertificate.size);
  return entry;
}

function fail(message: string, offset: number, field?: string): never {
  throw new FormatError(message, { format: FORMAT, offset, field });
}

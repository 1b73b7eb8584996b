import { createHash } from "node:crypto";
import { MemorySource } from "../../bytes/index.ts";
import { CERTIFICATE_ALIGNMENT, DataDirectory, OptionalHeader64 } from "./layout.ts";
import { readPe } from "./read.ts";

/**
 * The SHA-256 that an Authenticode signature is about (Windows Authenticode Portable Executable Signature Format,
 * "Calculating the PE Image Hash"): all of the file but its checksum, the place of its signatures and these themselves.
 * Of a file whose length is not a multiple of 8 the zeros are hashed too that come before the first signature.
 * @throws FormatError when the bytes are no sound PE file.
 */
export function authenticodeDigest(program: Uint8Array): Uint8Array {
  const image = readPe(new MemorySource(program));
  const hash = createHash("sha256");
  let next = 0;
  /** Passes on what has not been hashed up to `end`, and leaves out what follows up to `resume`. */
  const hashUpTo = (end: number, resume = end): void => {
    hash.update(program.subarray(next, end));
    next = resume;
  };
  const { checksum, certificateDirectory } = image.offsets;
  hashUpTo(checksum, checksum + OptionalHeader64.fields.CheckSum.size);
  if (certificateDirectory !== undefined) hashUpTo(certificateDirectory, certificateDirectory + DataDirectory.size);
  hashUpTo(image.sizeOfHeaders);

  const sections = image.sections.filter(({ rawSize }) => rawSize > 0).sort((a, b) => a.rawOffset - b.rawOffset);
  let hashedBytes = image.sizeOfHeaders;
  for (const { rawOffset, rawSize } of sections) {
    hash.update(program.subarray(rawOffset, rawOffset + rawSize));
    hashedBytes += rawSize;
  }
  const end = program.length - (image.certificates?.size ?? 0);
  if (end > hashedBytes) hash.update(program.subarray(hashedBytes, end));
  if (image.certificates === undefined) hash.update(paddingFor(program.length));
  return hash.digest();
}

/** The zeros between the end of a file and its first signature. */
export function paddingFor(fileBytes: number): Uint8Array {
  return new Uint8Array((CERTIFICATE_ALIGNMENT - (fileBytes % CERTIFICATE_ALIGNMENT)) % CERTIFICATE_ALIGNMENT);
}

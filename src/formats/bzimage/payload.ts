import { FormatError } from "../../bytes/index.ts";
import { detectCompression } from "../compression/index.ts";
import { DEFAULT_SETUP_SECTORS, PROTOCOL_PAYLOAD, SECTOR_SIZE, SetupHeader } from "./layout.ts";

/** What the kernel's build appends (size_append in scripts/Makefile.lib): how large the stream unpacks to. */
const SIZE_BYTES = 4;

/**
 * The compressed kernel inside of a bzImage that `parseKernelImage` accepts, one stream.
 * @throws FormatError when the image does not say where that is.
 */
export function bzImagePayload(bytes: Uint8Array): Uint8Array {
  const { setup_sects, version, payload_offset, payload_length } = SetupHeader.parse(bytes);
  const start = ((setup_sects || DEFAULT_SETUP_SECTORS) + 1) * SECTOR_SIZE + payload_offset;
  const end = start + payload_length;
  if (version < PROTOCOL_PAYLOAD || payload_length <= SIZE_BYTES || end > bytes.length) {
    throw new FormatError("Cannot look into the kernel: its header does not say where the compressed part is", {
      format: "kernel image",
      field: "payload_offset",
    });
  }
  // Of gzip it is a part: the stream ends with it.
  const isGzip = detectCompression(bytes.subarray(start, end)) === "gzip";
  return bytes.subarray(start, isGzip ? end : end - SIZE_BYTES);
}

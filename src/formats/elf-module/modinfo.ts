import { type ByteString, byteStringFrom, FormatError, toText } from "../../bytes/index.ts";

/** Larger than any real list (all built-in modules of a distribution's kernel: 60 kB) and still no burden. */
const MAX_MODINFO_BYTES = 16 << 20;

export interface ModinfoEntry {
  readonly key: ByteString;
  readonly value: ByteString;
  /** Byte offset of the entry in the section. */
  readonly offset: number;
}

/**
 * Entries `key=value`, each ended by NUL (include/linux/moduleparam.h, __MODULE_INFO); compilers may pad with
 * more NULs between them.
 * @throws FormatError when an entry has no "=" or the last one has no end.
 */
export function parseModinfo(bytes: Uint8Array, format = ".modinfo"): ModinfoEntry[] {
  if (bytes.length > MAX_MODINFO_BYTES) {
    throw new FormatError(`Cannot read ${bytes.length} bytes: expected at most ${MAX_MODINFO_BYTES}`, { format });
  }
  const entries: ModinfoEntry[] = [];
  const text = byteStringFrom(bytes);
  for (let offset = 0; offset < text.length; ) {
    const end = text.indexOf("\0", offset);
    if (end === -1) throw new FormatError("Cannot read the last entry: expected NUL at its end", { format, offset });
    const entry = text.slice(offset, end);
    if (entry !== "") {
      const equals = entry.indexOf("=");
      if (equals <= 0) {
        throw new FormatError(`Cannot read ${JSON.stringify(toText(entry))}: expected key=value`, { format, offset });
      }
      entries.push({ key: entry.slice(0, equals), value: entry.slice(equals + 1), offset });
    }
    offset = end + 1;
  }
  return entries;
}

import { type ByteString, FormatError, toText } from "../../bytes/index.ts";
import { FORMAT, XATTR_PREFIXES } from "./layout.ts";

/** Prefixes that stand for the whole name. */
const COMPLETE_NAMES: ReadonlySet<string> = new Set(["system.posix_acl_access", "system.posix_acl_default"]);

/** Attributes of these prefixes can be stored but no Linux shows them. */
const INVISIBLE_PREFIXES: ReadonlySet<string> = new Set(["lustre."]);

/** A name as EROFS stores it: the index of its prefix, and the rest. */
export interface SplitName {
  readonly index: number;
  readonly rest: ByteString;
}

/** @throws FormatError for names that Linux would not show from an EROFS image. */
export function splitXattrName(name: ByteString, path: ByteString): SplitName {
  for (const [index, prefix] of XATTR_PREFIXES) {
    if (INVISIBLE_PREFIXES.has(prefix)) continue;
    const complete = COMPLETE_NAMES.has(prefix);
    if (complete ? name === prefix : name.startsWith(prefix) && name.length > prefix.length) {
      return { index, rest: name.slice(prefix.length) };
    }
  }
  const prefixes = "user., trusted., security. and system.posix_acl_*";
  throw new FormatError(
    `Cannot write the attribute ${toText(name)} of /${toText(path)}: EROFS holds ${prefixes}; remove it`,
    { format: FORMAT },
  );
}

/** The prefix with this index, or undefined. */
export function xattrPrefix(index: number): string | undefined {
  return XATTR_PREFIXES.find(([known]) => known === index)?.[1];
}

import type { ByteString } from "../bytes/index.ts";
import { fnmatch } from "../kernel/index.ts";

/** A backslash and what it quotes, a set in brackets, or any one character. */
const ELEMENT = /\\.|\[[!^]?\]?[^\]]*\]|./gs;
const DASH_OR_UNDERSCORE = /^[-_]$/;
/** Of sets the first stage knows characters and ranges, without negation and quoting. */
const KNOWN_ELEMENT = /^(?:[!-Z\]^`-~]|\[(?![!^])[!-Z^-~]+\])$/;
const ANY_CHARACTER = "?";

/**
 * An alias pattern (fnmatch(3), as kmod matches it) in the first stage's language, which has only "*", "?" and sets of
 * characters and ranges, and no word with a blank in it. kmod takes "-" for "_", also where a set has "_" only. What
 * cannot be said becomes "?": a driver that is loaded for nothing leaves the device alone, a driver that is missing stops the boot.
 */
export function firstStagePattern(pattern: ByteString): string {
  return pattern.replace(ELEMENT, (element) => {
    if (DASH_OR_UNDERSCORE.test(element)) return "[-_]";
    if (element.startsWith("[") && fnmatch(element, "_")) return ANY_CHARACTER;
    return KNOWN_ELEMENT.test(element) ? element : ANY_CHARACTER;
  });
}

/** What the patterns of /lazyrd/drivers are made of: all that init/assembly/steps/coldplug.ts understands. */
const ELEMENT = /\[([!-Z^-~]+)\]|[!-Z\]^-~]/g;

/** Whether a pattern is in the first stage's language: "*", "?", sets of characters and ranges, and plain characters. */
export function isFirstStagePattern(pattern: string): boolean {
  return pattern.replace(ELEMENT, "") === "" && !/\[[!^]/.test(pattern);
}

/** What the first stage says to a pattern of its language: written again from the description, not from its code. */
export function matchesInFirstStage(pattern: string, text: string): boolean {
  if (!isFirstStagePattern(pattern)) throw new Error(`Not in the first stage's language: ${pattern}`);
  const source = pattern.replace(ELEMENT, (element, members: string | undefined) => {
    if (element === "*") return ".*";
    if (element === "?") return ".";
    // "-" is a range between two characters, and itself at the end or the start: as in a regular expression.
    return members === undefined ? `\\x${element.charCodeAt(0).toString(16)}` : `[${members.replace("^", "\\^")}]`;
  });
  return new RegExp(`^${source}$`, "s").test(text);
}

/** What sorts before everything else at one place comes first (UAPI.10); "" is the end. */
const SEPARATORS = ["~", "", "-", "^", "."];
const NO_VERSION = /^[^A-Za-z0-9.~^-]+/;
const NUMBER = /^\d*/;
const WORD = /^[A-Za-z]*/;

/**
 * The order of two versions by the Version Format Specification (UAPI.10): below zero when `a` is older than `b`, above
 * when it is newer.
 */
export function compareVersions(a: string, b: string): number {
  let [left, right] = [a, b];
  for (;;) {
    left = left.replace(NO_VERSION, "");
    right = right.replace(NO_VERSION, "");
    const [x, y] = [left.slice(0, 1), right.slice(0, 1)];
    const separator = SEPARATORS.find((candidate) => x === candidate || y === candidate);
    if (separator === "") return x.length - y.length;
    if (separator !== undefined) {
      if (x !== y) return x === separator ? -1 : 1;
      left = left.slice(1);
      right = right.slice(1);
      continue;
    }
    const run = /\d/.test(x + y) ? NUMBER : WORD;
    const [p, q] = [run.exec(left)?.[0] ?? "", run.exec(right)?.[0] ?? ""];
    const order = run === NUMBER ? compare(BigInt(p), BigInt(q)) : compare(p, q);
    if (order !== 0) return order;
    left = left.slice(p.length);
    right = right.slice(q.length);
  }
}

function compare<T extends string | bigint>(a: T, b: T): number {
  return a < b ? -1 : Number(a > b);
}

import { type ByteString, byteStringFrom, FormatError, toText } from "../bytes/index.ts";
import type { Node } from "../tree/index.ts";
import { translatePcre, UntranslatableError } from "./pcre.ts";

const FORMAT = "file_contexts";

/** A distribution's policy has some 6,000 lines, 0.5 MB. */
const MAX_FILE_BYTES = 32 << 20;

/** The middle column: what ls -l shows first (selabel_file(5)). */
const KINDS: Readonly<Record<string, Node["kind"]>> = {
  "--": "file",
  "-d": "directory",
  "-c": "character-device",
  "-b": "block-device",
  "-s": "socket",
  "-l": "symlink",
  "-p": "fifo",
};

/** Means that what matches gets no label. */
const NO_CONTEXT = "<<none>>";
/** user:role:type, with a level where the policy has such. */
const CONTEXT = /^[^:\s]+:[^:\s]+:[^:\s]+(?::\S+)?$/;

/** One line: which paths, of which kind, get which label. */
export interface ContextSpec {
  readonly expression: RegExp;
  /** What each matching path begins with: most lines can be passed over by that. */
  readonly literalStart: ByteString;
  readonly kind: Node["kind"] | undefined;
  /** Undefined for `<<none>>`. */
  readonly context: ByteString | undefined;
}

/** From one path to another that has the same labels below it. */
export interface Substitution {
  readonly from: ByteString;
  readonly to: ByteString;
}

/** A file and its name for messages. */
export interface NamedText {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Everything that decides about labels; the later spec is the stronger one. */
export interface FileContexts {
  readonly specs: readonly ContextSpec[];
  /** Applied one after the other: the administrator's, then the distribution's. */
  readonly substitutions: readonly (readonly Substitution[])[];
}

/**
 * file_contexts (selabel_file(5)): `EXPRESSION [TYPE] CONTEXT` in each line. As in libselinux, lines without any
 * wildcard are stronger than all others, and otherwise the last one that matches counts. Later files go on where earlier
 * ones end.
 * @throws FormatError with the file and the line's number.
 */
export function parseFileContexts(files: readonly NamedText[]): ContextSpec[] {
  const specs = files.flatMap((file) => linesOf(file).map((line) => parseSpec(line)));
  const isExact = ({ isExact }: ParsedSpec): boolean => isExact;
  return [...specs.filter((spec) => !isExact(spec)), ...specs.filter(isExact)];
}

/** file_contexts.subs and .subs_dist: `FROM TO` in each line. @throws FormatError with the file and the line's number. */
export function parseSubstitutions(file: NamedText): Substitution[] {
  return linesOf(file).map(({ words, fail }) => {
    const [from, to] = words;
    if (from === undefined || to === undefined || words.length > 2) throw fail("expected two paths");
    if (!from.startsWith("/") || !to.startsWith("/")) throw fail("expected paths that begin with /");
    return { from, to };
  });
}

/** The label of a path (with its leading slash), undefined where it gets none, "unknown" where nothing says anything. */
export function contextOf(
  { specs, substitutions }: FileContexts,
  path: ByteString,
  kind: Node["kind"],
): ByteString | undefined | typeof UNKNOWN {
  const wanted = substitutions.reduce(substituted, path);
  const spec = specs.findLast(
    (candidate) =>
      (candidate.kind === undefined || candidate.kind === kind) &&
      wanted.startsWith(candidate.literalStart) &&
      candidate.expression.test(wanted),
  );
  return spec === undefined ? UNKNOWN : spec.context;
}

/** Nothing says which label a path has: not the same as that it has none. */
export const UNKNOWN = Symbol("no line of file_contexts");

interface ParsedSpec extends ContextSpec {
  readonly isExact: boolean;
}

function parseSpec({ words, fail }: Line): ParsedSpec {
  const [pattern, ...rest] = words;
  const context = rest.pop();
  const type = rest.pop();
  if (pattern === undefined || context === undefined || rest.length > 0) {
    throw fail("expected an expression, perhaps a type, and a context");
  }
  if (type !== undefined && !Object.hasOwn(KINDS, type)) {
    throw fail(`expected one of ${Object.keys(KINDS).join(" ")} as the type, got ${toText(type)}`);
  }
  if (context !== NO_CONTEXT && !CONTEXT.test(context)) {
    throw fail(`expected user:role:type as the context, got ${toText(context)}`);
  }
  return {
    expression: compiled(pattern, fail),
    literalStart: literalStartOf(pattern),
    kind: type === undefined ? undefined : KINDS[type],
    context: context === NO_CONTEXT ? undefined : context,
    isExact: !WILDCARD.test(pattern.replace(/\\./gs, "")),
  };
}

/** What libselinux takes for a wildcard (label_file.h, spec_hasMetaChars). */
const WILDCARD = /[.^$?*+|[({]/;

function compiled(pattern: ByteString, fail: Line["fail"]): RegExp {
  try {
    return translatePcre(pattern);
  } catch (cause) {
    if (!(cause instanceof UntranslatableError)) throw cause;
    throw fail(`${toText(pattern)}: ${cause.message}`, cause);
  }
}

/** Up to the first wildcard or quoted character, without a last character that may be repeated; "" with alternatives. */
function literalStartOf(pattern: ByteString): ByteString {
  if (pattern.includes("|")) return "";
  const start = /^[^\\.^$?*+[({]*/.exec(pattern)?.[0] ?? "";
  return /^[?*{]/.test(pattern.slice(start.length)) ? start.slice(0, -1) : start;
}

function substituted(path: ByteString, substitutions: readonly Substitution[]): ByteString {
  const found = substitutions.find(({ from }) => path === from || path.startsWith(from === "/" ? "/" : `${from}/`));
  if (found === undefined) return path;
  const rest = path.slice(found.from.length);
  return found.to === "/" && rest.startsWith("/") ? rest : found.to + rest;
}

interface Line {
  readonly words: readonly ByteString[];
  readonly fail: (message: string, cause?: unknown) => FormatError;
}

/** Lines that say something, as words. */
function linesOf({ path, bytes }: NamedText): Line[] {
  if (bytes.length > MAX_FILE_BYTES) {
    throw new FormatError(`${path}: Cannot read ${bytes.length} bytes: expected at most ${MAX_FILE_BYTES}`, {
      format: FORMAT,
    });
  }
  return byteStringFrom(bytes)
    .split("\n")
    .flatMap((text, index) => {
      const words = text.split(/[ \t\r]+/).filter((word) => word !== "");
      if (words.length === 0 || words[0]?.startsWith("#")) return [];
      const fail = (message: string, cause?: unknown): FormatError =>
        new FormatError(`Cannot read line ${index + 1} of ${path}: ${message}`, { format: FORMAT, cause });
      return [{ words, fail }];
    });
}

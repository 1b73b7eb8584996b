import { type ByteString, byteStringFrom, FormatError, toText } from "../bytes/index.ts";
import { parseModinfo } from "../formats/elf-module/index.ts";
import { moduleName } from "./names.ts";

/** The largest of these files, modules.alias of a distribution's kernel, has 1.4 MB. */
const MAX_FILE_BYTES = 64 << 20;

/** One line of modules.dep. */
export interface DependencyLine {
  /** As written: relative to the folder of the release, or absolute. */
  readonly path: ByteString;
  /** All modules it needs, directly or not, as modules.dep has them: what is loaded first stands last. */
  readonly dependencies: readonly ByteString[];
}

/** One alias: a pattern for fnmatch(3) and the module's name. */
export interface AliasLine {
  readonly pattern: ByteString;
  readonly module: ByteString;
}

/** What should be loaded before and after a module when it is there. Names or aliases, as written. */
export interface SoftDependencies {
  readonly pre: readonly ByteString[];
  readonly post: readonly ByteString[];
}

/** A softdep or weakdep of one module. */
export interface SoftDependencyLine extends SoftDependencies {
  readonly module: ByteString;
}

export interface WeakDependencyLine {
  readonly module: ByteString;
  readonly names: readonly ByteString[];
}

/** What modules.builtin.modinfo says of one built-in object. */
export interface BuiltinModule {
  readonly name: ByteString;
  readonly file: ByteString | undefined;
  readonly aliases: readonly ByteString[];
}

/** modules.dep: `path: path...` (depmod(8)). @throws FormatError with the line's number. */
export function parseModulesDep(bytes: Uint8Array): DependencyLine[] {
  return linesOf(bytes, "modules.dep").map((line) => {
    const { text } = line;
    const colon = text.indexOf(":");
    const path = text.slice(0, Math.max(colon, 0)).trim();
    if (path === "") return line.fail("expected a path, a colon and the paths it needs");
    return { path, dependencies: words(text.slice(colon + 1)) };
  });
}

/** modules.alias: `alias PATTERN MODULE`. @throws FormatError with the line's number. */
export function parseModulesAlias(bytes: Uint8Array): AliasLine[] {
  return linesOf(bytes, "modules.alias").map((line) => {
    const { text } = line;
    // A pattern may hold blanks (DMI strings); the module is what stands behind the last one.
    const found = /^alias\s+(\S.*\S|\S)\s+(\S+)$/.exec(text);
    if (found?.[1] === undefined || found[2] === undefined) return line.fail("expected alias, a pattern and a module");
    return { pattern: found[1], module: moduleName(found[2]) };
  });
}

/** modules.softdep: `softdep MODULE pre: NAMES post: NAMES`. @throws FormatError with the line's number. */
export function parseModulesSoftdep(bytes: Uint8Array): SoftDependencyLine[] {
  return linesOf(bytes, "modules.softdep").map((line) => {
    const { text } = line;
    const [keyword, module, ...rest] = words(text);
    if (keyword !== "softdep" || module === undefined) return line.fail("expected softdep, a module and pre: or post:");
    return { module: moduleName(module), ...parseSoftdep(rest.join(" ")) };
  });
}

/** modules.weakdep: `weakdep MODULE NAMES`. @throws FormatError with the line's number. */
export function parseModulesWeakdep(bytes: Uint8Array): WeakDependencyLine[] {
  return linesOf(bytes, "modules.weakdep").map((line) => {
    const { text } = line;
    const [keyword, module, ...names] = words(text);
    if (keyword !== "weakdep" || module === undefined) return line.fail("expected weakdep, a module and names");
    return { module: moduleName(module), names };
  });
}

/** modules.builtin: one path a line, as the module would be called. @throws FormatError with the line's number. */
export function parseModulesBuiltin(bytes: Uint8Array): ByteString[] {
  return linesOf(bytes, "modules.builtin").map((line) => {
    const { text } = line;
    return text.endsWith(".ko") ? text : line.fail("expected the path of a .ko file");
  });
}

/**
 * modules.builtin.modinfo: entries `module.key=value`, NUL after each.
 * @throws FormatError when an entry has no module, or as `parseModinfo` does.
 */
export function parseBuiltinModinfo(bytes: Uint8Array): BuiltinModule[] {
  const format = "modules.builtin.modinfo";
  const modules = new Map<ByteString, { file: ByteString | undefined; aliases: ByteString[] }>();
  for (const { key, value, offset } of parseModinfo(bytes, format)) {
    const dot = key.indexOf(".");
    if (dot <= 0) {
      throw new FormatError(`Cannot read ${JSON.stringify(toText(key))}: expected module.key=value`, {
        format,
        offset,
      });
    }
    const name = moduleName(key.slice(0, dot));
    const module = modules.get(name) ?? { file: undefined, aliases: [] };
    modules.set(name, module);
    const field = key.slice(dot + 1);
    if (field === "file") module.file = value;
    else if (field === "alias") module.aliases.push(value);
  }
  return [...modules].map(([name, { file, aliases }]) => ({ name, file, aliases }));
}

/**
 * The text of a softdep, "pre: a b post: c". Names before the first of these words count for nothing, as in kmod
 * (cifs has had such a list for years).
 */
export function parseSoftdep(text: ByteString): SoftDependencies {
  const pre: ByteString[] = [];
  const post: ByteString[] = [];
  let current: ByteString[] | undefined;
  for (const word of words(text)) {
    if (word === "pre:") current = pre;
    else if (word === "post:") current = post;
    else current?.push(word);
  }
  return { pre, post };
}

/** The words of a line, separated by blanks. */
export function words(text: ByteString): ByteString[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

/** A line without the blanks around it. */
class Line {
  readonly text: ByteString;
  readonly #number: number;
  readonly #format: string;

  constructor(text: ByteString, number: number, format: string) {
    this.text = text;
    this.#number = number;
    this.#format = format;
  }

  fail(expected: string): never {
    const text = JSON.stringify(toText(this.text));
    throw new FormatError(`Cannot read line ${this.#number}, ${text}: ${expected}`, { format: this.#format });
  }
}

/** Lines that are neither empty nor comments. */
function linesOf(bytes: Uint8Array, format: string): Line[] {
  if (bytes.length > MAX_FILE_BYTES) {
    throw new FormatError(`Cannot read ${bytes.length} bytes: expected at most ${MAX_FILE_BYTES}`, { format });
  }
  const lines: Line[] = [];
  for (const [index, raw] of byteStringFrom(bytes).split("\n").entries()) {
    const text = raw.trim();
    if (text !== "" && !text.startsWith("#")) lines.push(new Line(text, index + 1, format));
  }
  return lines;
}

// The zstd library carries its WebAssembly as text that is packed with zstd, and unpacks it in JavaScript, in every
// thread, before it can unpack anything else. Here that is done once, when lazyrd is built.
import { readFileSync, writeFileSync } from "node:fs";

const LIBRARY = /@hpcc-js\/wasm-zstd\/dist\/index\.js$/;
/** Where the library does it: `module ??= unzstd(decode(text))`. */
const UNPACKING = /\?\?=\w+\(\w+\(\w+\)\)/g;
/** The text: no other string is nearly as long. */
const TEXT = /'[^'\\]{100000,}'/g;

/** Writes the module that the library compiles to `file`. */
export async function unpackZstd(file) {
  const { instantiate } = WebAssembly;
  let compiled;
  WebAssembly.instantiate = (bytes, imports) => {
    compiled = bytes;
    return instantiate(bytes, imports);
  };
  try {
    const { Zstd } = await import("@hpcc-js/wasm-zstd");
    await Zstd.load();
  } finally {
    WebAssembly.instantiate = instantiate;
  }
  if (!(compiled instanceof Uint8Array)) throw new Error("The zstd library does not compile its module from bytes");
  writeFileSync(file, compiled);
}

/**
 * For esbuild: lets the library take the unpacked module.
 * @param module an expression that gives its bytes when lazyrd runs, and `imports` what that needs
 */
export function withUnpackedZstd({ imports, module }) {
  return {
    name: "unpacked-zstd",
    setup({ onLoad }) {
      onLoad({ filter: LIBRARY }, ({ path }) => {
        const code = replaceOnce(replaceOnce(readFileSync(path, "utf8"), TEXT, '""'), UNPACKING, `??=${module}`);
        return { contents: `${imports}\n${code}` };
      });
    },
  };
}

/** Another version of the library may be written otherwise: then it is here that somebody has to look. */
function replaceOnce(source, pattern, replacement) {
  const { length } = source.match(pattern) ?? [];
  if (length !== 1) throw new Error(`${pattern} is ${length ?? 0} times in the zstd library, expected 1`);
  return source.replace(pattern, () => replacement);
}

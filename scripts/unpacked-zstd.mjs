// For esbuild: the zstd library carries its WebAssembly as text that is packed with zstd, and unpacks it in JavaScript,
// in every thread, before it can unpack anything else. Here that is done once, when lazyrd is built.
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const LIBRARY = /@hpcc-js\/wasm-zstd\/dist\/index\.js$/;
/** Where the library does it: `module ??= unzstd(decode(text))`. */
const UNPACKING = /\?\?=\w+\(\w+\(\w+\)\)/g;
/** The text: no other string is nearly as long. */
const TEXT = /'[^'\\]{100000,}'/g;
const MODULE = "lazyrd:zstd.wasm";

export const unpackedZstd = {
  name: "unpacked-zstd",
  setup({ onLoad, onResolve }) {
    let library = "";
    onLoad({ filter: LIBRARY }, async ({ path }) => {
      library = path;
      const source = await readFile(path, "utf8");
      const code = replaceOnce(replaceOnce(source, TEXT, '""'), UNPACKING, "??=unpackedModule");
      return { contents: `import unpackedModule from "${MODULE}";\n${code}` };
    });
    onResolve({ filter: new RegExp(`^${MODULE}$`) }, ({ path }) => ({ path, namespace: "unpacked" }));
    onLoad({ filter: /.*/, namespace: "unpacked" }, async () => ({
      contents: await moduleOf(library),
      loader: "binary",
    }));
  },
};

/** Another version of the library may be written otherwise: then it is here that somebody has to look. */
function replaceOnce(source, pattern, replacement) {
  const { length } = source.match(pattern) ?? [];
  if (length !== 1) throw new Error(`${pattern} is ${length ?? 0} times in the zstd library, expected 1`);
  return source.replace(pattern, () => replacement);
}

/** The bytes that the library compiles. */
async function moduleOf(library) {
  const { instantiate } = WebAssembly;
  let compiled;
  WebAssembly.instantiate = (bytes, imports) => {
    compiled = bytes;
    return instantiate(bytes, imports);
  };
  try {
    const { Zstd } = await import(pathToFileURL(library));
    await Zstd.load();
  } finally {
    WebAssembly.instantiate = instantiate;
  }
  if (!(compiled instanceof Uint8Array)) throw new Error("The zstd library does not compile its module from bytes");
  return compiled;
}

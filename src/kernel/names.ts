import type { ByteString } from "../bytes/index.ts";

/** How module files are called; the last part is what MODULE_COMPRESS_* adds (scripts/Makefile.modinst). */
const MODULE_FILE = /\.ko(?:\.(gz|xz|zst))?$/;

/** Whether a file name is that of a module, compressed or not. */
export function isModuleFile(name: ByteString): boolean {
  return MODULE_FILE.test(name);
}

/** How a module file is compressed, by its name. */
export function moduleCompression(name: ByteString): "none" | "gz" | "xz" | "zst" {
  const suffix = MODULE_FILE.exec(name)?.[1];
  return suffix === "gz" || suffix === "xz" || suffix === "zst" ? suffix : "none";
}

/**
 * The one name of a module, as /proc/modules shows it: without folders and suffixes, `_` for `-`.
 * The kernel builds both `dm-mod.ko` and `KBUILD_MODNAME=dm_mod` from one object and treats the names as equal.
 */
export function moduleName(nameOrPath: ByteString): ByteString {
  const file = nameOrPath.slice(nameOrPath.lastIndexOf("/") + 1);
  const name = file.includes(".ko") ? file.replace(MODULE_FILE, "") : file;
  return name.replaceAll("-", "_");
}

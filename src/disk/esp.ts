import { type ByteSource, fromText } from "../bytes/index.ts";
import { regularFile, Tree } from "../tree/index.ts";
import { encodeLoaderEntry, type LoaderEntry } from "./loader-entry.ts";

/** What the firmware starts on a disk that it knows nothing about (UEFI 2.10, section 3.5.1.1), x86-64. */
const FALLBACK_LOADER = "EFI/BOOT/BOOTX64.EFI";
/** Where `bootctl` looks for systemd-boot, to show it and to bring it up to date. */
const SYSTEMD_BOOT = "EFI/systemd/systemd-bootx64.efi";
/** Boot Loader Specification (UAPI.1): entries of type #1, and unified kernel images as type #2. */
const ENTRIES = "loader/entries";
const ENTRIES_MARK = "loader/entries.srel";
const UNIFIED_IMAGES = "EFI/Linux";
const LOADER_CONFIGURATION = "loader/loader.conf";
/** Long enough to press a key, short enough for a machine that nobody looks at. */
const MENU_SECONDS = 3;

/** What the firmware starts, and what that starts. */
export type Boot =
  /** A unified kernel image, by the firmware itself. */
  | { readonly kind: "uki"; readonly uki: ByteSource }
  /** A unified kernel image, from systemd-boot's menu (type #2). */
  | { readonly kind: "loader-uki"; readonly id: string; readonly loader: ByteSource; readonly uki: ByteSource }
  /** Kernel and first stage, from systemd-boot's menu (type #1). */
  | {
      readonly kind: "loader-entry";
      readonly id: string;
      readonly loader: ByteSource;
      readonly kernel: ByteSource;
      readonly firstStage: ByteSource;
      readonly entry: Pick<LoaderEntry, "title" | "version" | "architecture" | "options">;
    };

/** The files of an EFI system partition that boots. */
export function espTree(boot: Boot): Tree {
  const tree = new Tree();
  const add = (path: string, content: ByteSource | string): void => {
    const bytes = typeof content === "string" ? Buffer.from(content, "utf8") : content;
    tree.setWithParents(fromText(path), regularFile(bytes));
  };
  if (boot.kind === "uki") {
    add(FALLBACK_LOADER, boot.uki);
    return tree;
  }
  add(FALLBACK_LOADER, boot.loader);
  add(SYSTEMD_BOOT, boot.loader);
  const file = `${boot.id}.${boot.kind === "loader-uki" ? "efi" : "conf"}`;
  add(LOADER_CONFIGURATION, `default ${file}\ntimeout ${MENU_SECONDS}\n`);
  if (boot.kind === "loader-uki") {
    add(`${UNIFIED_IMAGES}/${file}`, boot.uki);
    return tree;
  }
  const [linux, initrd] = [`lazyrd/${boot.id}/vmlinuz`, `lazyrd/${boot.id}/first-stage.cpio`];
  const entry = { ...boot.entry, sortKey: "lazyrd", linux: `/${linux}`, initrd: `/${initrd}` };
  add(linux, boot.kernel);
  add(initrd, boot.firstStage);
  add(`${ENTRIES}/${file}`, encodeLoaderEntry(entry));
  add(ENTRIES_MARK, "type1\n");
  return tree;
}

import type { ByteString } from "../bytes/index.ts";

interface Rule {
  readonly pattern: RegExp;
  /** Behind it comes what the pattern's group found. */
  readonly name: string;
}

const LIB = "(?:^|/)lib(?:32|64)?";

/** What a path tells about where a file comes from; the first rule that fits counts. */
const RULES: readonly Rule[] = [
  { pattern: /^lazyrd\//, name: "lazyrd" },
  { pattern: /^kernel\/x86\/microcode\//, name: "microcode" },
  { pattern: new RegExp(`${LIB}/modules/[^/]+/(?:kernel/)?([^/]+(?:/[^/]+)?)/`), name: "kernel modules" },
  { pattern: new RegExp(`${LIB}/modules/`), name: "kernel modules" },
  { pattern: new RegExp(`${LIB}/firmware/([^/]+)/`), name: "firmware" },
  { pattern: new RegExp(`${LIB}/firmware/`), name: "firmware" },
  { pattern: /(?:^|\/)systemd\/(?:system|user|network)(?:\/|$)/, name: "systemd units" },
  { pattern: new RegExp(`${LIB}/.*\\.so(?:\\.|$)`), name: "libraries" },
  { pattern: new RegExp(`${LIB}/systemd/`), name: "systemd" },
  { pattern: new RegExp(`${LIB}/udev/`), name: "udev" },
  { pattern: new RegExp(`${LIB}/(?:dracut|initcpio)/|^(?:scripts|hooks|conf)/`), name: "initrd scripts" },
  { pattern: new RegExp(`${LIB}/python3`), name: "Python" },
  { pattern: /(?:^|\/)(?:s?bin|libexec)\//, name: "programs" },
  { pattern: /\/(?:locale|i18n)\//, name: "locales" },
  { pattern: /\/share\/(?:doc|man|info|licenses)\//, name: "documentation" },
  { pattern: /\/(?:kbd|keymaps|consolefonts|consoletrans|fonts)\//, name: "fonts and keyboards" },
  { pattern: /\/share\/zoneinfo\//, name: "time zones" },
  { pattern: /^(?:usr\/)?etc\//, name: "configuration" },
  { pattern: /(?:^|\/)(?:share|var)\//, name: "data" },
];

/** What a file belongs to: "kernel modules: drivers/net", "libraries" and so on. */
export function packageOf(path: ByteString): ByteString {
  for (const { pattern, name } of RULES) {
    const found = pattern.exec(path);
    if (found !== null) return found[1] === undefined ? name : `${name}: ${found[1]}`;
  }
  return "other";
}

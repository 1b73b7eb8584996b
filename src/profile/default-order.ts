import { type ByteString, compareByteStrings } from "../bytes/index.ts";
import type { Tree } from "../tree/index.ts";
import type { Profile, ProfileEntry } from "./types.ts";

/** Where libraries are: /lib, /lib64 or a folder of the architecture, with /usr merged or not. */
const LIB = "(?:usr/)?lib(?:32|64)?/(?:[^/]+-linux-[^/]+/)?";
const USR_LIB = "(?:usr/)?lib/";
const BIN = "(?:usr/)?s?bin/";

/**
 * What boots of most initrds read, earliest first. Paths without a leading slash; the first pattern that fits decides, and
 * among paths with the same one their byte order.
 */
const DEFAULT_ORDER: readonly (readonly [what: string, patterns: readonly string[]])[] = [
  ["init", ["init", `${BIN}init`, `${USR_LIB}systemd/systemd`]],
  ["the dynamic linker", ["etc/ld\\.so\\.(?:cache|conf|preload)", `${LIB}ld-.*`, `${LIB}ld(?:64)?\\.so\\..*`]],
  ["the C library", [`${LIB}libc[.-].*`, `${LIB}lib(?:m|pthread|dl|rt|gcc_s|crypt|klibc)[.-].*`]],
  [
    "systemd's libraries",
    [
      `${LIB}systemd/.*\\.so`,
      `${LIB}lib(?:systemd|udev|mount|blkid|kmod|cap|acl|selinux|seccomp|pam|audit|apparmor|cap-ng|uuid)[.-].*`,
      `${LIB}lib(?:crypto|z|lz4|lzma|zstd|pcre2-8|gcrypt|gpg-error|ip4tc|attr)[.-].*`,
    ],
  ],
  [
    "what systemd asks first",
    [
      `(?:etc/|${USR_LIB})(?:initrd|os)-release`,
      "etc/(?:machine-id|hostname|localtime|locale\\.conf|vconsole\\.conf|passwd|group|nsswitch\\.conf)",
      "etc/systemd/.*",
    ],
  ],
  ["units", [`${USR_LIB}systemd/system-generators/.*`, `${USR_LIB}systemd/(?:system|system-preset|network)/.*`]],
  ["shells", [`${BIN}(?:sh|bash|dash|busybox)`, `${LIB}lib(?:tinfo|readline)[.-].*`]],
  [
    "scripts of the initrd's maker",
    [
      "conf/.*",
      "scripts/.*",
      "etc/conf\\.d/.*",
      "etc/cmdline\\.d/.*",
      `${USR_LIB}dracut/.*`,
      `${USR_LIB}[^/]*-lib\\.sh`,
    ],
  ],
  ["dracut's and systemd's programs", [`${BIN}dracut-.*`, `${BIN}(?:systemctl|journalctl|systemd-.*)`]],
  [
    "early services",
    [`${USR_LIB}systemd/systemd-.*`, `(?:etc/|${USR_LIB})(?:modules-load|sysctl|tmpfiles|sysusers)\\.d/.*`],
  ],
  ["udev", [`${BIN}udevadm`, `(?:etc/|${USR_LIB})udev/.*`]],
  [
    "the database of modules",
    [`${BIN}(?:kmod|modprobe|insmod)`, `(?:etc/|${USR_LIB})modprobe\\.d/.*`, `${USR_LIB}modules/[^/]+/modules\\..*`],
  ],
  ["file systems and volumes", [`${BIN}(?:mount|umount|findmnt|blkid|dmsetup|lvm|cryptsetup|mdadm|fsck.*)`]],
];

/** What most boots need little of, though it is most of an initrd. */
const READ_LAST = `${USR_LIB}(?:modules|firmware)/.*`;

interface Rule {
  readonly rank: number;
  readonly pattern: RegExp;
}

const RULES: readonly Rule[] = DEFAULT_ORDER.flatMap(([, patterns]) => patterns).map((pattern, rank) => ({
  rank,
  pattern: exactly(pattern),
}));
const LAST = exactly(READ_LAST);

/**
 * A profile of a tree of which no boot has been recorded: whole files, in the order that boots of most initrds begin
 * with; then what is in none of the rules. Modules and firmware are not in it.
 */
export function defaultProfile(tree: Tree): Profile {
  const ranked: { readonly rank: number; readonly entry: ProfileEntry }[] = [];
  for (const { path } of tree.walk()) {
    const rank = rankOf(path);
    // A name of what is read: where it stands itself may be anywhere.
    const real = tree.realPath(path);
    if (rank === undefined || real?.node.kind !== "file") continue;
    ranked.push({ rank, entry: { path: real.path, start: 0, end: real.node.content.size } });
  }
  ranked.sort((a, b) => a.rank - b.rank || compareByteStrings(a.entry.path, b.entry.path));
  return { entries: ranked.map(({ entry }) => entry) };
}

/** Undefined for what does not belong in front. */
function rankOf(path: ByteString): number | undefined {
  const rule = RULES.find(({ pattern }) => pattern.test(path));
  if (rule !== undefined) return rule.rank;
  return LAST.test(path) ? undefined : RULES.length;
}

function exactly(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`, "s");
}

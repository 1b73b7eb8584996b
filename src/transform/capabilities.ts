import { type ByteString, byteStringFrom, FormatError, struct, toText, u32 } from "../bytes/index.ts";
import type { Tree } from "../tree/index.ts";
import type { NamedText } from "./file-contexts.ts";
import { contentBytes, type Outcome } from "./report.ts";

const FORMAT = "capabilities";
export const CAPABILITY_XATTR = "security.capability";

// include/uapi/linux/capability.h
const VFS_CAP_REVISION_2 = 0x02000000;
const VFS_CAP_REVISION_3 = 0x03000000;
const VFS_CAP_FLAGS_EFFECTIVE = 0x000001;

const VfsCapData = struct("vfs_cap_data", 20, {
  magic_etc: u32(0),
  permitted_low: u32(4),
  inheritable_low: u32(8),
  permitted_high: u32(12),
  inheritable_high: u32(16),
});

const VfsNsCapData = struct("vfs_ns_cap_data", 24, { ...VfsCapData.fields, rootid: u32(20) });

/** By number: CAP_CHOWN is 0, CAP_CHECKPOINT_RESTORE is 40. */
const CAPABILITY_NAMES: readonly string[] = [
  ...["chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap"],
  ...["linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner"],
  ...["sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice"],
  ...["sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap"],
  ...["mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf"],
  "checkpoint_restore",
];
const ALL_CAPABILITIES = (1n << BigInt(CAPABILITY_NAMES.length)) - 1n;
const LOW_WORD = 0xffffffffn;
const WORD_BITS = 32n;

const NAMES = String.raw`(?:cap_\w+|all)(?:,(?:cap_\w+|all))*`;
const CLAUSE = `(?:(?:${NAMES})?=[eip]*|${NAMES}[+-][eip]+)(?:[+-][eip]+)*`;
/** What getcap -r prints: a path, which may hold blanks, and the clauses. */
const LINE = new RegExp(String.raw`^(/.*?)\s+(${CLAUSE}(?:\s+${CLAUSE})*)(?:\s+\[rootid=(\d+)\])?\s*$`, "s");
const OPERATION = /([=+-])([eip]*)/g;
const MAX_ROOT_ID = 0xfffffffe;

/** The capabilities of a file. */
interface FileCapabilities {
  readonly path: ByteString;
  /** The value of security.capability. */
  readonly value: Uint8Array;
  readonly fail: (message: string) => FormatError;
}

/**
 * Gives files the capabilities that a text in the format of `getcap -r` lists: `/usr/bin/ping cap_net_raw=ep`
 * (cap_from_text(3)); with `[rootid=N]` behind it, for a user namespace.
 * @throws FormatError with the line's number when it cannot be read, or names something else than a regular file.
 */
export function setCapabilities(tree: Tree, file: NamedText): Outcome {
  const bytes = contentBytes(tree);
  const warnings: string[] = [];
  let entries = 0;
  for (const { path, value, fail } of parseCapabilities(file)) {
    const node = tree.resolve(path);
    if (node === undefined) {
      warnings.push(`${file.path} names ${toText(path)}, which is not in the image`);
      continue;
    }
    if (node.kind !== "file") throw fail(`expected a regular file, ${toText(path)} is a ${node.kind}`);
    node.xattrs = new Map([...node.xattrs, [CAPABILITY_XATTR, value]]);
    entries++;
  }
  const purpose = "gives programs their capabilities";
  return {
    done: [{ setting: "capabilities", purpose, entries, bytesBefore: bytes, bytesAfter: bytes, details: [] }],
    warnings,
  };
}

function parseCapabilities({ path: name, bytes }: NamedText): FileCapabilities[] {
  return byteStringFrom(bytes)
    .split("\n")
    .flatMap((text, index) => {
      if (/^\s*(?:#|$)/.test(text)) return [];
      const fail = (message: string): FormatError =>
        new FormatError(`Cannot read line ${index + 1} of ${name}: ${message}`, { format: FORMAT });
      const [, path, clauses, rootId] = LINE.exec(text) ?? [];
      if (path === undefined || clauses === undefined) {
        throw fail("expected a path and capabilities, as getcap -r prints them: /usr/bin/ping cap_net_raw=ep");
      }
      return [{ path, value: encodeCapabilities(parseSets(clauses, fail), rootId, fail), fail }];
    });
}

interface CapabilitySets {
  readonly e: bigint;
  readonly i: bigint;
  readonly p: bigint;
}

function parseSets(text: ByteString, fail: FileCapabilities["fail"]): CapabilitySets {
  const sets = { e: 0n, i: 0n, p: 0n };
  for (const clause of text.split(/\s+/)) {
    const names = /^[^=+-]*/.exec(clause)?.[0] ?? "";
    const meant = names === "" ? ALL_CAPABILITIES : maskOf(names, fail);
    for (const [, operator, flags = ""] of clause.slice(names.length).matchAll(OPERATION)) {
      for (const set of ["e", "i", "p"] as const) {
        // "=" takes the capabilities out of all sets first.
        if (operator === "=" || (operator === "-" && flags.includes(set))) sets[set] &= ~meant;
        if (operator !== "-" && flags.includes(set)) sets[set] |= meant;
      }
    }
  }
  return sets;
}

function maskOf(names: ByteString, fail: FileCapabilities["fail"]): bigint {
  return names.split(",").reduce((mask, name) => {
    if (name === "all") return ALL_CAPABILITIES;
    const number = CAPABILITY_NAMES.indexOf(name.replace(/^cap_/, ""));
    if (number < 0) throw fail(`expected the name of a capability, got ${toText(name)}`);
    return mask | (1n << BigInt(number));
  }, 0n);
}

function encodeCapabilities(
  { e, i, p }: CapabilitySets,
  rootId: string | undefined,
  fail: FileCapabilities["fail"],
): Uint8Array {
  // A file has one bit for all of them: they are effective at once, or none is.
  if (e !== 0n && e !== (p | i)) throw fail("expected all or none of the capabilities to be effective (e)");
  const flags = e === 0n ? 0 : VFS_CAP_FLAGS_EFFECTIVE;
  const sets = {
    permitted_low: Number(p & LOW_WORD),
    inheritable_low: Number(i & LOW_WORD),
    permitted_high: Number(p >> WORD_BITS),
    inheritable_high: Number(i >> WORD_BITS),
  };
  if (rootId === undefined) return VfsCapData.encode({ magic_etc: VFS_CAP_REVISION_2 | flags, ...sets });
  const rootid = Number(rootId);
  if (rootid > MAX_ROOT_ID) throw fail(`expected a user's number as rootid, got ${rootId}`);
  return VfsNsCapData.encode({ magic_etc: VFS_CAP_REVISION_3 | flags, ...sets, rootid });
}

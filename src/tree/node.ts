import { type ByteSource, type ByteString, MemorySource } from "../bytes/index.ts";

/** What every kind of file has. A node that stands under several names is a hard link: one object, many entries. */
export interface Metadata {
  /** The permission bits with set-uid, set-gid and sticky: `mode & 0o7777`. */
  permissions: number;
  uid: number;
  gid: number;
  /** Seconds since 1970. */
  mtime: number;
  /** By full name, for instance `security.capability`. */
  xattrs: ReadonlyMap<ByteString, Uint8Array>;
}

export interface Directory extends Metadata {
  readonly kind: "directory";
  /** By name, one path component each; the order has no meaning. */
  readonly entries: Map<ByteString, Node>;
}

export interface RegularFile extends Metadata {
  readonly kind: "file";
  content: ByteSource;
}

export interface Symlink extends Metadata {
  readonly kind: "symlink";
  readonly target: ByteString;
}

export interface Device extends Metadata {
  readonly kind: "character-device" | "block-device";
  readonly major: number;
  readonly minor: number;
}

export interface Special extends Metadata {
  readonly kind: "fifo" | "socket";
}

export type Node = Directory | RegularFile | Symlink | Device | Special;

const NO_XATTRS: ReadonlyMap<ByteString, Uint8Array> = new Map();

/** Metadata with the usual values where none are given: owned by root, dated 1970. */
export function metadata(permissions: number, given: Partial<Metadata> = {}): Metadata {
  return { permissions, uid: 0, gid: 0, mtime: 0, xattrs: NO_XATTRS, ...given };
}

export function directory(given: Partial<Metadata> = {}): Directory {
  return { kind: "directory", entries: new Map(), ...metadata(0o755, given) };
}

export function regularFile(content: Uint8Array | ByteSource, given: Partial<Metadata> = {}): RegularFile {
  const source = content instanceof Uint8Array ? new MemorySource(content) : content;
  return { kind: "file", content: source, ...metadata(0o644, given) };
}

export function symlink(target: ByteString, given: Partial<Metadata> = {}): Symlink {
  return { kind: "symlink", target, ...metadata(0o777, given) };
}

/** The file type bits of `st_mode` (inode(7)), by kind. */
export const FILE_TYPE_BITS: Readonly<Record<Node["kind"], number>> = {
  fifo: 0o010000,
  "character-device": 0o020000,
  directory: 0o040000,
  "block-device": 0o060000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
};

export const FILE_TYPE_MASK = 0o170000;
export const PERMISSIONS_MASK = 0o7777;

/** `st_mode` of a node. */
export function modeOf(node: Node): number {
  return FILE_TYPE_BITS[node.kind] | node.permissions;
}

/** The kind that the file type bits of `mode` name, or undefined for bits that mean nothing. */
export function kindOfMode(mode: number): Node["kind"] | undefined {
  const bits = mode & FILE_TYPE_MASK;
  return (Object.keys(FILE_TYPE_BITS) as Node["kind"][]).find((kind) => FILE_TYPE_BITS[kind] === bits);
}

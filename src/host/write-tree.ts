import { spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  constants,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import {
  type ByteString,
  byteStringBytes,
  chunksOf,
  compareByteStrings,
  FormatError,
  fromText,
  toText,
  UsageError,
} from "../bytes/index.ts";
import type { Device, Directory, Node, RegularFile } from "../tree/index.ts";
import { systemReason } from "./files.ts";

/** What was made of a tree on this machine. */
export interface WrittenTree {
  /** Entries that were made. */
  readonly entries: number;
  /** What could not be kept; one line each. */
  readonly warnings: readonly string[];
}

const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** Until everything is in place, nobody else has a look. */
const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;
const MS_PER_SECOND = 1000;
const ROOT_UID = 0;

/**
 * Writes a tree into a folder: modes, times, hard links; owners and devices too when the user is root. Nothing is written
 * outside of the folder, whatever the tree holds and whatever symlinks are there already. When something fails, all that
 * was made is removed again.
 */
export class TreeWriter {
  readonly #folder: ByteString;
  readonly #force: boolean;
  readonly #isNewFolder: boolean;
  readonly #isRoot = process.getuid?.() === ROOT_UID;
  readonly #warnings: string[] = [];
  /** What was made, in order: removed from the end. */
  readonly #created: { path: ByteString; isFolder: boolean }[] = [];
  readonly #replaced: ByteString[] = [];
  readonly #links = new Map<Node, ByteString>();
  /** Directories get their modes and times when nothing is put into them any more. */
  readonly #pending: { path: ByteString; node: Node }[] = [];

  /**
   * @param force write into a folder that is not empty, replacing files of the same names
   * @throws UsageError when the folder cannot be made or is not empty.
   */
  constructor(folder: string, { force }: { readonly force: boolean }) {
    this.#force = force;
    const given = fromText(folder);
    this.#isNewFolder = this.#attempt(given, () => lstatSync(folder, { throwIfNoEntry: false })) === undefined;
    if (this.#isNewFolder) {
      this.#attempt(given, () => mkdirSync(folder, { mode: 0o777 }));
      this.#created.push({ path: given, isFolder: true });
    }
    // Whoever names a folder by a symlink means the folder.
    const real = this.#attempt(given, () => realpathSync(folder));
    this.#folder = fromText(real);
    const names = this.#attempt(given, () => readdirSync(real));
    if (names.length > 0 && !force) {
      throw new UsageError(`Cannot unpack to ${folder}: it is not empty`, {
        hint: "give a new folder, or --force to write into this one and replace files of the same names",
      });
    }
  }

  /**
   * Writes what stands at `path` of a tree, with everything below it; its parents are there, or are made.
   * @throws UsageError when the machine says no, FormatError when the tree wants to leave the folder or is damaged.
   */
  write(path: ByteString, node: Node): void {
    const components = path.split("/").filter((component) => component !== "");
    let folder = this.#folder;
    for (const component of components.slice(0, -1)) {
      checkName(component, path);
      folder = `${folder}/${component}`;
      this.#makeFolder(folder);
    }
    const name = components.at(-1);
    if (name !== undefined) {
      this.#place(folder, name, node);
      return;
    }
    // A folder that was there keeps its own mode and time.
    if (this.#isNewFolder) this.#pending.push({ path: this.#folder, node });
    this.#fill(this.#folder, node as Directory);
  }

  /** Gives directories what they get last. */
  finish(): WrittenTree {
    for (const { path, node } of this.#pending.reverse()) this.#attempt(path, () => this.#setMetadata(path, node));
    return { entries: this.#created.length, warnings: this.#warnings };
  }

  /** Removes all that was made; says what is left, if anything. */
  undo(): string {
    const left: ByteString[] = [];
    for (const { path, isFolder } of this.#created.reverse()) {
      try {
        if (isFolder) rmdirSync(systemPath(path));
        else unlinkSync(systemPath(path));
      } catch (cause) {
        systemReason(cause);
        left.push(path);
      }
    }
    this.#created.length = 0;
    const replaced = this.#replaced.length === 0 ? "" : `; ${this.#replaced.length} files that stood there are gone`;
    const first = left[0] === undefined ? "" : `, the first is ${toText(left[0])}`;
    const rest = left.length === 0 ? "nothing of it is left" : `${left.length} entries are left${first}`;
    return `${rest} in ${toText(this.#folder)}${replaced}`;
  }

  #fill(folder: ByteString, { entries }: Directory): void {
    for (const name of [...entries.keys()].sort(compareByteStrings))
      this.#place(folder, name, entries.get(name) as Node);
  }

  #place(folder: ByteString, name: ByteString, node: Node): void {
    checkName(name, folder);
    const path = `${folder}/${name}`;
    if (node.kind === "directory") {
      this.#makeFolder(path);
      this.#pending.push({ path, node });
      this.#fill(path, node);
      return;
    }
    this.#clear(path);
    const first = this.#links.get(node);
    if (first !== undefined) {
      this.#attempt(path, () => linkSync(systemPath(first), systemPath(path)));
      this.#created.push({ path, isFolder: false });
      return;
    }
    if (!this.#make(path, node)) return;
    this.#links.set(node, path);
    this.#attempt(path, () => this.#setMetadata(path, node));
  }

  /** Makes the entry; says whether there is one now. */
  #make(path: ByteString, node: Exclude<Node, Directory>): boolean {
    const place = systemPath(path);
    switch (node.kind) {
      case "file":
        this.#writeFile(path, node);
        return true;
      case "symlink":
        this.#attempt(path, () => symlinkSync(Buffer.from(byteStringBytes(node.target)), place));
        this.#created.push({ path, isFolder: false });
        return true;
      case "fifo":
        return this.#makeNode(path, ["p"]);
      case "character-device":
      case "block-device":
        if (this.#isRoot) return this.#makeNode(path, deviceArguments(node));
        this.#warnings.push(`${toText(path)}: left out, only root can make a device`);
        return false;
      case "socket":
        this.#warnings.push(`${toText(path)}: left out, a socket is made by the program that listens to it`);
        return false;
    }
  }

  #writeFile(path: ByteString, { content }: RegularFile): void {
    const file = this.#attempt(path, () => openSync(systemPath(path), NEW_FILE, PRIVATE_FILE));
    this.#created.push({ path, isFolder: false });
    try {
      for (const chunk of chunksOf(content)) {
        this.#attempt(path, () => {
          for (let done = 0; done < chunk.length; ) done += writeSync(file, chunk, done);
        });
      }
    } finally {
      closeSync(file);
    }
  }

  /** Node.js has no mknod(2). */
  #makeNode(path: ByteString, args: readonly string[]): boolean {
    // Its own folder as the working directory: arguments are text, and names need not be.
    const folder = path.slice(0, path.lastIndexOf("/"));
    const name = `.lazyrd-${this.#created.length}`;
    const { status } = spawnSync("mknod", ["-m", "600", `./${name}`, ...args], { cwd: toPathText(folder) });
    if (status !== 0) {
      this.#warnings.push(`${toText(path)}: left out, mknod could not make it`);
      return false;
    }
    this.#attempt(path, () => linkSync(systemPath(`${folder}/${name}`), systemPath(path)));
    this.#attempt(path, () => unlinkSync(systemPath(`${folder}/${name}`)));
    this.#created.push({ path, isFolder: false });
    return true;
  }

  /** Makes a directory, or takes the one that is there; a symlink to one could lead anywhere. */
  #makeFolder(path: ByteString): void {
    const found = this.#attempt(path, () => lstatSync(systemPath(path), { throwIfNoEntry: false }));
    if (found?.isDirectory() === true) return;
    if (found !== undefined) {
      const what = found.isSymbolicLink() ? "a symlink, which may lead elsewhere," : "something that is no folder";
      throw new UsageError(`Cannot unpack a folder to ${toText(path)}: ${what} is there already`, {
        hint: "remove it first",
      });
    }
    this.#attempt(path, () => mkdirSync(systemPath(path), { mode: PRIVATE_FOLDER }));
    this.#created.push({ path, isFolder: true });
  }

  /** Makes way for a file; what is there is removed itself, never what it points to. */
  #clear(path: ByteString): void {
    const found = this.#attempt(path, () => lstatSync(systemPath(path), { throwIfNoEntry: false }));
    if (found === undefined) return;
    if (found.isDirectory()) {
      throw new UsageError(`Cannot unpack ${toText(path)}: a folder is there already`, { hint: "remove it first" });
    }
    if (!this.#force) throw new UsageError(`Cannot unpack ${toText(path)}: something is there already`);
    this.#attempt(path, () => unlinkSync(systemPath(path)));
    this.#replaced.push(path);
  }

  #setMetadata(path: ByteString, node: Node): void {
    const place = systemPath(path);
    if (node.xattrs.size > 0) this.#warnXattrs(path, node);
    // Before the mode: a change of owner takes set-uid away.
    if (this.#isRoot) lchownSync(place, node.uid, node.gid);
    if (node.kind !== "symlink") chmodSync(place, node.permissions);
    const time = new Date(node.mtime * MS_PER_SECOND);
    lutimesSync(place, time, time);
  }

  #warnXattrs(path: ByteString, { xattrs }: Node): void {
    this.#warnings.push(
      `${toText(path)}: without its extended attributes ${[...xattrs.keys()].map(toText).join(", ")}`,
    );
  }

  #attempt<T>(path: ByteString, work: () => T): T {
    try {
      return work();
    } catch (cause) {
      throw new UsageError(`Cannot write ${toText(path)}: ${systemReason(cause)}`, { cause });
    }
  }
}

/** No reader makes such names; this is the last place where one could do harm. */
function checkName(name: ByteString, folder: ByteString): void {
  if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0")) {
    throw new FormatError(
      `Cannot unpack ${JSON.stringify(toText(name))} to ${toText(folder)}: it would leave the folder`,
      {
        format: "tree",
      },
    );
  }
}

function deviceArguments({ kind, major, minor }: Device): string[] {
  return [kind === "block-device" ? "b" : "c", String(major), String(minor)];
}

function systemPath(path: ByteString): Buffer {
  return Buffer.from(byteStringBytes(path));
}

/** As text, for where the system takes no bytes. */
function toPathText(path: ByteString): string {
  return Buffer.from(path, "latin1").toString("utf8");
}

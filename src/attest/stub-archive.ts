/** A file that systemd-stub puts into an archive for the kernel. */
export interface StubFile {
  readonly name: string;
  readonly content: Uint8Array;
}

/** Modes of the folders below /.extra and of their files: what is secret is for root only. */
const FOLDERS = {
  credentials: { folder: 0o500, file: 0o400 },
  global_credentials: { folder: 0o500, file: 0o400 },
  sysext: { folder: 0o555, file: 0o444 },
  confext: { folder: 0o555, file: 0o444 },
} as const;

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const ALIGNMENT = 4;
/** The one number of the stub's archives in capital letters is this text's: it is measured as it stands. */
const TRAILER = `070701${"00000000".repeat(4)}00000001${"00000000".repeat(6)}0000000B00000000TRAILER!!!\0\0\0\0`;

/**
 * The archive that systemd-stub makes of the files of one kind (src/boot/cpio.c), byte by byte, since its digest is what is
 * measured: newc, numbers in small letters, entries numbered from 1, names sorted by their UTF-16 units.
 */
export function stubArchive(folder: keyof typeof FOLDERS, files: readonly StubFile[]): Uint8Array {
  const modes = FOLDERS[folder];
  const sorted = files.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const path = `.extra/${folder}`;
  const none = new Uint8Array();
  return Buffer.concat([
    entry(".extra", S_IFDIR | 0o555, none, 1),
    entry(path, S_IFDIR | modes.folder, none, 2),
    ...sorted.map(({ name, content }, index) => entry(`${path}/${name}`, S_IFREG | modes.file, content, 3 + index)),
    Buffer.from(TRAILER, "latin1"),
  ]);
}

function entry(path: string, mode: number, content: Uint8Array, inode: number): Uint8Array {
  const name = Buffer.from(`${path}\0`, "utf8");
  // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const digits = fields.map((value) => value.toString(16).padStart(8, "0")).join("");
  return Buffer.concat([padded(Buffer.concat([Buffer.from(`070701${digits}`, "latin1"), name])), padded(content)]);
}

function padded(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([bytes, new Uint8Array((ALIGNMENT - (bytes.length % ALIGNMENT)) % ALIGNMENT)]);
}

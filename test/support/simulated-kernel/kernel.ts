import type { Tree } from "../../../src/tree/index.ts";
import { BlockDevices } from "./block-devices.ts";
import { Buses } from "./buses.ts";
import { SimulatedClock } from "./clock.ts";
import { type CheckRootHash, DeviceMapper } from "./device-mapper.ts";
import { anonymousFileSystem, FileSystems, fill } from "./file-systems.ts";
import { FileView } from "./file-view.ts";
import { DirectoryInode, FileInode, type FileSystem, generated, SpecialInode } from "./inodes.ts";
import { KernelLog } from "./kernel-log.ts";
import { Keyrings } from "./keyrings.ts";
import { DEVICE_NUMBERS } from "./layout.ts";
import { LoopDevices } from "./loop-devices.ts";
import { ModuleLoader, type SimulatedModule } from "./modules.ts";
import { MountNamespace } from "./mounts.ts";
import { SimulatedNetwork } from "./network.ts";
import { DescriptorTable } from "./open-files.ts";
import { SimulatedTpm } from "./tpm.ts";
import { Uevents } from "./uevents.ts";

/** What is different from one simulated kernel to the next. */
export interface KernelOptions {
  /** What the kernel unpacked: the first stage, and whatever was appended to it. */
  readonly initrd: Tree;
  /** "ramfs" when the command line has root=, else "tmpfs" (default); "ext2" for an initrd of the old kind. */
  readonly rootfs?: "tmpfs" | "ramfs" | "ext2";
  /** From Linux 7 on there is something below the first root, so that it can be left by pivot_root(2). */
  readonly pivotRootFromRootfs?: boolean;
  /** Checks the signature of a root hash, given as text; without it the kernel does not know the option for that. */
  readonly checkRootHash?: CheckRootHash;
  readonly modules?: Readonly<Record<string, SimulatedModule<SimulatedKernel>>>;
  /** /proc/cmdline */
  readonly commandLine?: string;
  /** As which of the two processes fork(2) goes on; default: the one that called it, whose child ends at once. */
  readonly forksInto?: "parent" | "child";
  /** When somebody types on the console, in milliseconds after the start; default: never. */
  readonly typedAfterMs?: number;
  /** `loglevel=`, default 7: everything but debugging. */
  readonly consoleLevel?: number;
  /** `panic=`, in seconds; default 0: stand still. */
  readonly panicTimeout?: number;
  /** The minor number of the first device that is made with the device mapper. */
  readonly firstMappedMinor?: number;
  /** How often somebody else takes the free loop device first. */
  readonly takenLoopDevices?: number;
  /** read(2) and write(2) of regular files never move more bytes than this at once. */
  readonly largestTransfer?: number;
  /** MemAvailable of /proc/meminfo; undefined: a kernel that does not say. */
  readonly memoryAvailableKib?: number;
}

/** How long after its start the kernel runs /init. */
const START_MS = 1000;

const CONSOLE_LEVELS = "\t4\t1\t7\n";

/** A Linux kernel of which the first stage notices no difference: deterministic, in memory, without real time. */
export class SimulatedKernel {
  readonly clock = new SimulatedClock(START_MS);
  readonly log: KernelLog;
  readonly uevents = new Uevents();
  readonly mounts: MountNamespace;
  readonly fileSystems: FileSystems;
  readonly blockDevices: BlockDevices;
  readonly buses: Buses;
  readonly keyrings = new Keyrings();
  readonly network: SimulatedNetwork;
  readonly deviceMapper: DeviceMapper;
  readonly loopDevices: LoopDevices;
  readonly modules: ModuleLoader<SimulatedKernel>;
  readonly descriptors = new DescriptorTable();
  readonly rootfs: FileSystem;
  readonly proc: FileSystem;
  readonly largestTransfer: number;
  readonly commandLine: string;
  readonly forksInto: "parent" | "child";
  /** Somebody has typed on the console. */
  hasInput = false;
  /** /proc/sys/kernel/panic */
  panicTimeout: number;
  readonly #devtmpfs = anonymousFileSystem("devtmpfs");
  #tpm: SimulatedTpm | undefined;

  constructor(options: KernelOptions) {
    this.log = new KernelLog(options.consoleLevel ?? 7);
    this.panicTimeout = options.panicTimeout ?? 0;
    this.commandLine = options.commandLine ?? "";
    this.forksInto = options.forksInto ?? "parent";
    const type = (): void => {
      this.hasInput = true;
    };
    if (options.typedAfterMs !== undefined) this.clock.schedule(options.typedAfterMs, type);
    this.largestTransfer = options.largestTransfer ?? Number.MAX_SAFE_INTEGER;
    this.rootfs = makeRootfs(options);
    this.mounts = new MountNamespace(
      this.rootfs,
      options.pivotRootFromRootfs ? anonymousFileSystem("nullfs") : undefined,
    );
    this.proc = this.#makeProc(options);
    const sysfs = anonymousFileSystem("sysfs");
    for (const folder of ["class/block", "bus", "devices"]) sysfs.root.directory(folder);
    const devtmpfs = this.#devtmpfs;
    this.buses = new Buses(sysfs, this.uevents);
    this.network = new SimulatedNetwork(this.clock, sysfs);
    this.blockDevices = new BlockDevices({ clock: this.clock, devtmpfs, sysfs, uevents: this.uevents });
    this.fileSystems = new FileSystems({ devtmpfs, sysfs, proc: this.proc }, this.blockDevices, this.mounts);
    this.deviceMapper = new DeviceMapper(
      {
        blockDevices: this.blockDevices,
        mounts: this.mounts,
        keyrings: this.keyrings,
        checkRootHash: options.checkRootHash,
      },
      options.firstMappedMinor ?? 0,
    );
    this.loopDevices = new LoopDevices(this.blockDevices, options.takenLoopDevices ?? 0);
    this.modules = new ModuleLoader(options.modules ?? {}, this);
    for (const name of ["null", "kmsg", "console"] as const) this.addCharacterDevice(name, DEVICE_NUMBERS[name]);
  }

  addCharacterDevice(path: string, number: { major: number; minor: number }): void {
    this.#devtmpfs.root.put(path, new SpecialInode(this.#devtmpfs, "character-device", 0o600, number));
  }

  /** Makes a TPM 2.0 appear. */
  addTpm(tpm = new SimulatedTpm()): SimulatedTpm {
    this.#tpm = tpm;
    this.addCharacterDevice("tpmrm0", DEVICE_NUMBERS.tpmrm0);
    this.uevents.send({ action: "add", path: "/devices/platform/tpmrm0", subsystem: "tpmrm" });
    return tpm;
  }

  get tpm(): SimulatedTpm | undefined {
    return this.#tpm;
  }

  /** All files as the process sees them now. */
  get files(): FileView {
    return new FileView(this.mounts, this.mounts.root);
  }

  /** What is left in the first root file system, wherever it is mounted now. */
  get rootfsFiles(): readonly string[] {
    return [...namesBelow(this.rootfs.root, "")];
  }

  /** What a next stage does that goes on into its own root: it unmounts everything that it was started from. */
  leaveRoot(): void {
    const { root } = this.mounts;
    for (const child of [...root.mount.children]) {
      if (child.mountPoint !== undefined) this.mounts.unmount({ mount: child, inode: child.root }, true);
    }
    this.mounts.unmount(root, true);
  }

  #makeProc({ memoryAvailableKib }: KernelOptions): FileSystem {
    const proc = anonymousFileSystem("proc");
    const panic = generated(
      () => `${this.panicTimeout}\n`,
      (text) => {
        this.panicTimeout = Number(text);
      },
    );
    proc.root.put("sys/kernel/panic", new FileInode(proc, 0o644, panic));
    const commandLine = generated(() => `${this.commandLine}\n`);
    proc.root.put("cmdline", new FileInode(proc, 0o444, commandLine));
    const printk = generated(() => `${this.log.consoleLevel}${CONSOLE_LEVELS}`);
    proc.root.put("sys/kernel/printk", new FileInode(proc, 0o644, printk));
    const available = memoryAvailableKib === undefined ? "" : `MemAvailable:   ${memoryAvailableKib} kB\n`;
    const memory = generated(
      () => `MemTotal:        8000000 kB\nMemFree:         7000000 kB\n${available}Buffers: 0 kB\n`,
    );
    proc.root.put("meminfo", new FileInode(proc, 0o444, memory));
    return proc;
  }
}

/** The initrd over the few files of the archive that is built into every kernel (usr/default_cpio_list). */
function makeRootfs({ initrd, rootfs: type = "tmpfs" }: KernelOptions): FileSystem {
  const fileSystem = anonymousFileSystem(type);
  fill(fileSystem.root, initrd.root);
  const console = new SpecialInode(fileSystem, "character-device", 0o600, DEVICE_NUMBERS.console);
  fileSystem.root.put("dev/console", console);
  const home = fileSystem.root.entries.get("root") ?? fileSystem.root.link("root", new DirectoryInode(fileSystem));
  home.permissions = 0o700;
  return fileSystem;
}

function* namesBelow(directory: DirectoryInode, prefix: string): Generator<string> {
  for (const [name, inode] of directory.entries) {
    yield `${prefix}/${name}`;
    if (inode instanceof DirectoryInode) yield* namesBelow(inode, `${prefix}/${name}`);
  }
}

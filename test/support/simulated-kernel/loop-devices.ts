import type { ByteSource } from "../../../src/bytes/index.ts";
import { BlockDevice, type BlockDevices } from "./block-devices.ts";
import { KernelFault } from "./errno.ts";
import { LO_FLAGS_AUTOCLEAR, LO_FLAGS_READ_ONLY, LOOP_MAJOR, type LoopConfig, SECTOR_SIZE } from "./layout.ts";
import { OpenBlockDevice, type OpenFile, OpenRegularFile } from "./open-files.ts";

interface Loop {
  readonly block: BlockDevice;
  /** What it shows, while it is bound. */
  backing: { readonly source: ByteSource; readonly clears: boolean } | undefined;
}

/** Values of `fields` as struct loop_config has them. */
type Config = ReturnType<typeof LoopConfig.parse>;

const LARGEST_BLOCK = 4096;

/** drivers/block/loop.c: devices that show a part of a file or of another device. */
export class LoopDevices {
  readonly #blockDevices: BlockDevices;
  readonly #loops: Loop[] = [];
  #toBeTaken: number;

  constructor(blockDevices: BlockDevices, taken: number) {
    this.#blockDevices = blockDevices;
    this.#toBeTaken = taken;
  }

  /** How many show something. */
  get bound(): number {
    return this.#loops.filter(({ backing }) => backing !== undefined).length;
  }

  getFree(): number {
    const free = this.#loops.findIndex(({ backing }) => backing === undefined);
    return free >= 0 ? free : this.#add();
  }

  configure(device: BlockDevice, config: Config, file: OpenFile): void {
    const loop = this.#loops.find(({ block }) => block === device);
    if (loop === undefined) throw new KernelFault("ENOTTY");
    if (this.#toBeTaken > 0) {
      this.#toBeTaken--;
      loop.backing = { source: { size: 0, read: () => new Uint8Array(0) }, clears: false };
    }
    if (loop.backing !== undefined) throw new KernelFault("EBUSY");
    const { block_size, lo_flags } = config;
    const isPowerOfTwo = (block_size & (block_size - 1)) === 0;
    if (block_size < SECTOR_SIZE || block_size > LARGEST_BLOCK || !isPowerOfTwo) throw new KernelFault("EINVAL");
    // The first stage has no reason to write to what a loop device shows.
    if ((lo_flags & LO_FLAGS_READ_ONLY) === 0) throw new KernelFault("EROFS");
    const source = partOf(contentOf(file), Number(config.lo_offset), Number(config.lo_sizelimit));
    loop.backing = { source, clears: (lo_flags & LO_FLAGS_AUTOCLEAR) !== 0 };
  }

  #add(): number {
    const minor = this.#loops.length;
    const content: ByteSource = {
      get size() {
        return loop.backing?.source.size ?? 0;
      },
      read(offset, length) {
        if (loop.backing === undefined) throw new KernelFault("EIO");
        return loop.backing.source.read(offset, length);
      },
    };
    const onLastClose = () => {
      if (loop.backing?.clears) loop.backing = undefined;
    };
    const block = new BlockDevice(`loop${minor}`, { major: LOOP_MAJOR, minor }, content, { onLastClose });
    const loop: Loop = { block, backing: undefined };
    this.#loops.push(loop);
    this.#blockDevices.add(block);
    return minor;
  }
}

function contentOf(file: OpenFile): ByteSource {
  if (file instanceof OpenBlockDevice) return file.device.content;
  if (!(file instanceof OpenRegularFile)) throw new KernelFault("EINVAL");
  const { content } = file.inode;
  return {
    size: content.size,
    read: (offset, length) => content.read().subarray(offset, offset + length),
  };
}

/** As long as the file and the limit allow; 0 is no limit. */
function partOf(source: ByteSource, start: number, limit: number): ByteSource {
  const available = Math.max(0, source.size - start);
  const size = limit === 0 ? available : Math.min(limit, available);
  return { size, read: (offset, length) => source.read(start + offset, Math.min(length, size - offset)) };
}

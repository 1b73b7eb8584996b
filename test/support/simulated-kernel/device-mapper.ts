import type { ByteSource } from "../../../src/bytes/index.ts";
import { BlockDevice, type BlockDevices } from "./block-devices.ts";
import { type ErrnoName, KernelFault } from "./errno.ts";
import type { Keyrings } from "./keyrings.ts";
import {
  DEVICE_MAPPER_MAJOR,
  DM_DEFERRED_REMOVE,
  DM_DEV_CREATE,
  DM_DEV_REMOVE,
  DM_DEV_SUSPEND,
  DM_READONLY_FLAG,
  DM_SUSPEND_FLAG,
  DM_TABLE_LOAD,
  DM_VERSION_MAJOR,
  DmIoctl,
  DmTargetSpec,
  encodeDeviceNumber,
  SECTOR_SIZE,
} from "./layout.ts";
import type { MountNamespace } from "./mounts.ts";
import { VERITY_BLOCK_SIZE, VerityDevice, type VerityTarget } from "./verity-device.ts";

const REACTIONS = { panic_on_corruption: "panic", restart_on_corruption: "restart" } as const;
const ALIGNMENT = 8;

/** Why a signature of a root hash is not accepted; undefined when it is. */
export type CheckRootHash = (rootHash: string, signature: Uint8Array) => ErrnoName | undefined;

interface Table {
  /** What it shows, and of dm-verity how that is checked. */
  readonly target: ByteSource & { readonly target: Partial<VerityTarget> };
  /** Devices that it keeps open. */
  readonly holds: readonly BlockDevice[];
  /** As it was loaded. */
  readonly parameters: string;
}

/** A device of the device mapper. */
export class MappedDevice {
  readonly name: string;
  readonly uuid: string;
  readonly minor: number;
  inactive: Table | undefined;
  active: Table | undefined;
  block: BlockDevice | undefined;
  isRemovedWhenUnused = false;

  constructor(name: string, uuid: string, minor: number) {
    this.name = name;
    this.uuid = uuid;
    this.minor = minor;
  }
}

/** drivers/md/dm-ioctl.c, with the two targets that matter here. */
export class DeviceMapper {
  readonly devices = new Map<string, MappedDevice>();
  /** Those that were removed again among them. */
  readonly everMade: MappedDevice[] = [];
  hasVerity = false;
  readonly #blockDevices: BlockDevices;
  readonly #mounts: MountNamespace;
  readonly #keyrings: Keyrings;
  readonly #checkRootHash: CheckRootHash | undefined;
  #nextMinor: number;

  constructor(
    parts: {
      blockDevices: BlockDevices;
      mounts: MountNamespace;
      keyrings: Keyrings;
      checkRootHash: CheckRootHash | undefined;
    },
    firstMinor: number,
  ) {
    this.#blockDevices = parts.blockDevices;
    this.#mounts = parts.mounts;
    this.#keyrings = parts.keyrings;
    this.#checkRootHash = parts.checkRootHash;
    this.#nextMinor = firstMinor;
  }

  /** The request in `buffer` is answered there. @throws KernelFault. */
  ioctl(request: number, buffer: Uint8Array): void {
    const header = DmIoctl.parse(buffer);
    if (header.version_major !== DM_VERSION_MAJOR) throw new KernelFault("EINVAL");
    if (header.data_size > buffer.length || header.data_size < DmIoctl.size) throw new KernelFault("EINVAL");
    const { name, flags } = header;
    if (name === "" || name.includes("/")) throw new KernelFault("EINVAL");
    if (request === DM_DEV_CREATE) {
      const minor = this.#create(name, header.uuid);
      const number = { major: DEVICE_MAPPER_MAJOR, minor };
      DmIoctl.write(buffer, 0, { dev: BigInt(encodeDeviceNumber(number)), version_minor: 48 });
      return;
    }
    // Everything but making a device goes by name or by UUID, not by both.
    if (header.uuid !== "") throw new KernelFault("EINVAL");
    const device = this.devices.get(name);
    if (device === undefined) throw new KernelFault("ENXIO");
    if (request === DM_TABLE_LOAD) this.#load(device, header.target_count, flags, buffer.subarray(header.data_start));
    else if (request === DM_DEV_SUSPEND) this.#resume(device, flags);
    else if (request === DM_DEV_REMOVE) this.#remove(device, flags);
    else throw new KernelFault("ENOTTY");
  }

  #create(name: string, uuid: string): number {
    const isTaken = [...this.devices.values()].some((device) => device.name === name || device.uuid === uuid);
    if (isTaken) throw new KernelFault("EBUSY");
    const minor = this.#nextMinor++;
    const device = new MappedDevice(name, uuid, minor);
    this.devices.set(name, device);
    this.everMade.push(device);
    return minor;
  }

  #load(device: MappedDevice, count: number, flags: number, payload: Uint8Array): void {
    // dm-verity-target.c: "Device must be readonly"
    if ((flags & DM_READONLY_FLAG) === 0) throw new KernelFault("EINVAL");
    const targets: (Pick<Table, "target" | "holds"> & { parameters: string })[] = [];
    let sector = 0;
    for (let at = 0; targets.length < count; ) {
      const spec = DmTargetSpec.parse(payload.subarray(at));
      const text = Buffer.from(payload.subarray(at + DmTargetSpec.size)).toString("latin1");
      const end = text.indexOf("\0");
      if (end < 0 || spec.next < DmTargetSpec.size + end + 1 || spec.next % ALIGNMENT !== 0)
        throw new KernelFault("EINVAL");
      if (spec.sector_start !== BigInt(sector)) throw new KernelFault("EINVAL");
      const parameters = text.slice(0, end);
      targets.push({ ...this.#targetOf(spec.target_type, parameters, Number(spec.length) * SECTOR_SIZE), parameters });
      sector += Number(spec.length);
      at += spec.next;
    }
    const [first] = targets;
    if (first === undefined || (targets.length > 1 && first.target instanceof VerityDevice))
      throw new KernelFault("EINVAL");
    const holds = targets.flatMap((target) => target.holds);
    for (const held of holds) held.open();
    const target = targets.length === 1 ? first.target : joined(targets.map((part) => part.target));
    device.inactive = { target, holds, parameters: targets.map((part) => part.parameters).join("\n") };
    device.block ??= this.#announce(device);
  }

  #targetOf(type: string, parameters: string, size: number): Pick<Table, "target" | "holds"> {
    if (type === "linear") return this.#linearTarget(parameters, size);
    if (type !== "verity" || !this.hasVerity) throw new KernelFault("EINVAL");
    const verity = this.#verityTarget(parameters);
    if (size !== verity.target.size) throw new KernelFault("EINVAL");
    return verity;
  }

  /** drivers/md/dm-linear.c: "DEVICE SECTOR". */
  #linearTarget(parameters: string, size: number): Pick<Table, "target" | "holds"> {
    const [path, sector] = parameters.split(" ");
    const device = this.#lookUp(path);
    const start = Number(sector) * SECTOR_SIZE;
    if (!Number.isSafeInteger(start) || start + size > device.content.size) throw new KernelFault("EINVAL");
    const read = (offset: number, length: number) => device.content.read(start + offset, length);
    return { target: { size, read, target: {} }, holds: [device] };
  }

  #announce(device: MappedDevice): BlockDevice {
    const active = () => device.active?.target;
    const content: ByteSource = {
      get size() {
        return active()?.size ?? 0;
      },
      read(offset, length) {
        const target = active();
        if (target === undefined) throw new KernelFault("EIO");
        return target.read(offset, length);
      },
    };
    const onLastClose = () => {
      if (device.isRemovedWhenUnused) this.#drop(device);
    };
    const number = { major: DEVICE_MAPPER_MAJOR, minor: device.minor };
    const block = new BlockDevice(`dm-${device.minor}`, number, content, { onLastClose });
    this.#blockDevices.add(block);
    return block;
  }

  #verityTarget(parameters: string): Pick<Table, "target" | "holds"> {
    const words = parameters.split(" ");
    const [type, dataPath, hashPath, dataBlockSize, hashBlockSize, count, start, algorithm, rootHash, salt] = words;
    const [optionCount, ...options] = words.slice(10);
    const sizes = [dataBlockSize, hashBlockSize];
    if (type !== "1" || sizes.some((size) => size !== `${VERITY_BLOCK_SIZE}`)) throw new KernelFault("EINVAL");
    if (algorithm !== "sha256" || rootHash === undefined || !/^[0-9a-f]{64}$/.test(rootHash)) {
      throw new KernelFault("EINVAL");
    }
    if (salt === undefined || !/^(-|([0-9a-f]{2}){1,256})$/.test(salt)) throw new KernelFault("EINVAL");
    if (Number(optionCount ?? 0) !== options.length) throw new KernelFault("EINVAL");
    const { reaction, signatureKey } = this.#verityOptions(options);
    const [blocks, hashStart] = [Number(count), Number(start)];
    if (!Number.isSafeInteger(blocks) || blocks < 1 || !Number.isSafeInteger(hashStart))
      throw new KernelFault("EINVAL");
    const [data, hash] = [this.#lookUp(dataPath), this.#lookUp(hashPath)];
    if (data.content.size < blocks * VERITY_BLOCK_SIZE) throw new KernelFault("EINVAL");
    if (signatureKey !== undefined) this.#requireSignature(rootHash, signatureKey);
    const target = new VerityDevice({
      data: data.content,
      hash: hash.content,
      blocks,
      hashStart,
      rootHash,
      salt: salt === "-" ? "" : salt,
      reaction,
      isSigned: signatureKey !== undefined,
    });
    return { target, holds: [data, hash] };
  }

  /** drivers/md/dm-verity-target.c: verity_parse_opt_args. */
  #verityOptions(words: readonly string[]) {
    let reaction: VerityTarget["reaction"] = "error";
    let signatureKey: string | undefined;
    for (let index = 0; index < words.length; index++) {
      const word = words[index] ?? "";
      if (word === "root_hash_sig_key_desc" && this.#checkRootHash !== undefined) {
        signatureKey = words[++index];
        if (signatureKey === undefined) throw new KernelFault("EINVAL");
      } else if (word in REACTIONS) {
        reaction = REACTIONS[word as keyof typeof REACTIONS];
      } else {
        throw new KernelFault("EINVAL");
      }
    }
    return { reaction, signatureKey };
  }

  #requireSignature(rootHash: string, key: string): void {
    const fault = this.#checkRootHash?.(rootHash, this.#keyrings.request(key));
    if (fault !== undefined) throw new KernelFault(fault);
  }

  #lookUp(path: string | undefined): BlockDevice {
    const { inode } = this.#mounts.resolve(path ?? "");
    if (inode.kind !== "block-device") throw new KernelFault("ENOTBLK");
    return this.#blockDevices.get(inode.device);
  }

  #resume(device: MappedDevice, flags: number): void {
    if ((flags & DM_SUSPEND_FLAG) !== 0) throw new KernelFault("EINVAL");
    if (device.inactive === undefined && device.active === undefined) throw new KernelFault("EINVAL");
    device.active = device.inactive ?? device.active;
    device.inactive = undefined;
  }

  #remove(device: MappedDevice, flags: number): void {
    const isUsed = device.block !== undefined && device.block.openers > 0;
    if (isUsed && (flags & DM_DEFERRED_REMOVE) === 0) throw new KernelFault("EBUSY");
    if (isUsed) device.isRemovedWhenUnused = true;
    else this.#drop(device);
  }

  #drop(device: MappedDevice): void {
    this.devices.delete(device.name);
    for (const table of [device.active, device.inactive]) for (const held of table?.holds ?? []) held.close();
    if (device.block !== undefined) this.#blockDevices.remove(device.block);
  }
}

/** Sources one behind the other. */
function joined(parts: readonly ByteSource[]): Table["target"] {
  const read = (offset: number, length: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    let start = 0;
    for (const part of parts) {
      const from = Math.max(offset, start);
      const to = Math.min(offset + length, start + part.size);
      if (from < to) bytes.set(part.read(from - start, to - from), from - offset);
      start += part.size;
    }
    return bytes;
  };
  return { size: parts.reduce((size, part) => size + part.size, 0), read, target: {} };
}

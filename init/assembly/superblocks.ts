import * as kernel from "./kernel";
import { Text } from "./text";

/** Everything that is of interest of a file system stands in front of this. */
const HEAD_SIZE: i32 = 68 * 1024;

const UUID_SIZE: i32 = 16;

// fs/ext4/ext4.h: struct ext4_super_block, at 1024
const EXT_MAGIC: usize = 0x438;
const EXT_UUID: usize = 0x468;
const EXT_LABEL: usize = 0x478;
// fs/xfs/libxfs/xfs_format.h: struct xfs_dsb, big-endian
const XFS_MAGIC: u32 = 0x42534658; // "XFSB"
const XFS_UUID: usize = 32;
const XFS_LABEL: usize = 108;
// include/uapi/linux/btrfs_tree.h: struct btrfs_super_block, at 64 KiB
const BTRFS_UUID: usize = 0x10020;
const BTRFS_MAGIC: usize = 0x10040;
const BTRFS_MAGIC_VALUE: u64 = 0x4d5f53665248425f; // "_BHRfS_M"
const BTRFS_DEVICES: usize = 0x10088;
const BTRFS_LABEL: usize = 0x1012b;
// fs/erofs/erofs_fs.h: struct erofs_super_block, at 1024
const EROFS_MAGIC: usize = 0x400;
const EROFS_MAGIC_VALUE: u32 = 0xe0f5e1e2;
const EROFS_UUID: usize = 0x430;
const EROFS_LABEL: usize = 0x440;
// Microsoft's FAT specification: the boot sector
const FAT_SECTOR_SIZE: usize = 11;
const FAT_CLUSTER_SECTORS: usize = 13;
const FAT_RESERVED: usize = 14;
const FAT_COUNT: usize = 16;
const FAT_SIZE_16: usize = 22;
const FAT_SIZE_32: usize = 36;
const FAT_ROOT_CLUSTER: usize = 44;
const FAT_16_FIELDS: usize = 36;
const FAT_32_FIELDS: usize = 64;
/** Behind FAT_16_FIELDS or FAT_32_FIELDS. */
const FAT_BOOT_SIGNATURE: usize = 2;
const FAT_VOLUME_ID: usize = 3;
const FAT_LABEL: usize = 7;
const FAT_END: usize = 510;
const FAT_LABEL_SIZE: i32 = 11;
const FAT_ENTRY_SIZE: i32 = 32;
const FAT_ENTRY_ATTRIBUTES: usize = 11;
const FAT_ATTRIBUTE_LABEL: u8 = 0x08;
const FAT_ATTRIBUTE_LONG_NAME: u8 = 0x0f;
const FAT_DELETED: u8 = 0xe5;
/** Of the root directory: whoever makes a file system writes its label first. */
const FAT_ROOT_READ: i32 = 4096;

const SPACE: u8 = 0x20;

const head = memory.data(HEAD_SIZE);
const rootDirectory = memory.data(FAT_ROOT_READ);
const volumeId = memory.data(UUID_SIZE);

/** What a device holds, as far as its superblock says. Squashfs has neither UUID nor label. */
@final
export class Superblock {
  /** 16 bytes, or of FAT 4 and zeros; 0 when there is none. */
  uuid: usize = 0;
  label: Text = new Text(0, 0);
  /** Over how many devices a btrfs stretches; 1 for all others. */
  devices: i64 = 1;

  /** Looks at an opened device. */
  read(device: i32): void {
    this.uuid = 0;
    this.devices = 1;
    this.setLabel(0, 0);
    memory.fill(head, 0, HEAD_SIZE);
    if (kernel.pread(device, head, HEAD_SIZE, 0) <= 0) return;
    if (load<u16>(head, EXT_MAGIC) == 0xef53) this.set(EXT_UUID, EXT_LABEL, 16);
    else if (load<u32>(head) == XFS_MAGIC) this.set(XFS_UUID, XFS_LABEL, 12);
    else if (load<u32>(head, EROFS_MAGIC) == EROFS_MAGIC_VALUE) this.set(EROFS_UUID, EROFS_LABEL, 16);
    else if (load<u64>(head, BTRFS_MAGIC) == BTRFS_MAGIC_VALUE) {
      this.set(BTRFS_UUID, BTRFS_LABEL, 256);
      this.devices = load<i64>(head, BTRFS_DEVICES);
    } else if (load<u16>(head, FAT_END) == 0xaa55) this.readFat(device);
  }

  private set(uuid: usize, label: usize, labelSize: i32): void {
    this.uuid = head + uuid;
    this.setLabel(head + label, labelSize);
  }

  /** Up to the first NUL, without blanks at its end. */
  private setLabel(start: usize, size: i32): void {
    let length = 0;
    while (length < size && load<u8>(start + length) != 0) length++;
    while (length > 0 && load<u8>(start + length - 1) == SPACE) length--;
    this.label = new Text(start, length);
  }

  private readFat(device: i32): void {
    const isFat32 = load<u16>(head, FAT_SIZE_16) == 0;
    const fields = head + (isFat32 ? FAT_32_FIELDS : FAT_16_FIELDS);
    const sectorSize = <i64>load<u16>(head, FAT_SECTOR_SIZE);
    // 0x28: a volume ID, but no label; 0x29: both. Without either this is another kind of boot sector.
    if ((load<u8>(fields, FAT_BOOT_SIGNATURE) | 1) != 0x29 || sectorSize < 512) return;
    memory.fill(volumeId, 0, UUID_SIZE);
    store<u32>(volumeId, load<u32>(fields, FAT_VOLUME_ID));
    this.uuid = volumeId;
    this.setLabel(fields + FAT_LABEL, FAT_LABEL_SIZE);
    // The label in the root directory is the one that people see and change.
    const fatSize = isFat32 ? <i64>load<u32>(head, FAT_SIZE_32) : <i64>load<u16>(head, FAT_SIZE_16);
    const tables = load<u16>(head, FAT_RESERVED) + load<u8>(head, FAT_COUNT) * fatSize;
    const cluster = isFat32 ? (<i64>load<u32>(head, FAT_ROOT_CLUSTER) - 2) * load<u8>(head, FAT_CLUSTER_SECTORS) : 0;
    const got = kernel.pread(device, rootDirectory, FAT_ROOT_READ, (tables + cluster) * sectorSize);
    for (let at = 0; at + FAT_ENTRY_SIZE <= got; at += FAT_ENTRY_SIZE) {
      const entry = rootDirectory + at;
      if (load<u8>(entry) == 0) return;
      const attributes = load<u8>(entry, FAT_ENTRY_ATTRIBUTES);
      if (load<u8>(entry) == FAT_DELETED || attributes == FAT_ATTRIBUTE_LONG_NAME) continue;
      if ((attributes & FAT_ATTRIBUTE_LABEL) != 0) return this.setLabel(entry, FAT_LABEL_SIZE);
    }
  }
}

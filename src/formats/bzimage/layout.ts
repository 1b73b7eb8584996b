import { ascii, struct, u8, u16, u32, u64 } from "../../bytes/index.ts";

// x86: Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header". Offsets count from the start of the file.
export const HDRS_MAGIC = "HdrS";
export const BOOT_FLAG = 0xaa55;
export const SECTOR_SIZE = 512;
/** "For backwards compatibility, if the setup_sects field contains 0, the real value is 4". */
export const DEFAULT_SETUP_SECTORS = 4;
/** The field `kernel_version` counts from behind the first sector. */
export const KERNEL_VERSION_BASE = 0x200;
/** The unit of `syssize`. */
export const SYSSIZE_UNIT = 16;
/** Protocol versions (major << 8 | minor) that brought the fields lazyrd reads. */
export const PROTOCOL_RELOCATABLE = 0x0205;
export const PROTOCOL_XLOADFLAGS = 0x020c;
export const PROTOCOL_PAYLOAD = 0x0208;
/** The oldest that has `kernel_version`, and the oldest whose `syssize` can be trusted. */
export const PROTOCOL_KERNEL_VERSION = 0x0200;
export const PROTOCOL_SYSSIZE = 0x0204;

export const XLF_KERNEL_64 = 1 << 0;
export const XLF_CAN_BE_LOADED_ABOVE_4G = 1 << 1;
export const XLF_EFI_HANDOVER_32 = 1 << 2;
export const XLF_EFI_HANDOVER_64 = 1 << 3;

export const SetupHeader = struct("setup_header", 0x268, {
  setup_sects: u8(0x1f1),
  syssize: u32(0x1f4),
  boot_flag: u16(0x1fe),
  header: ascii(0x202, 4),
  version: u16(0x206),
  kernel_version: u16(0x20e),
  relocatable_kernel: u8(0x234),
  xloadflags: u16(0x236),
  payload_offset: u32(0x248),
  payload_length: u32(0x24c),
  handover_offset: u32(0x264),
});

// arm64: Documentation/arch/arm64/booting.rst, "Call the kernel image".
export const ARM64_MAGIC = "ARM\x64";
export const Arm64Header = struct("arm64_image_header", 64, {
  text_offset: u64(8),
  image_size: u64(16),
  flags: u64(24),
  magic: ascii(56, 4),
});

// EFI zboot: drivers/firmware/efi/libstub/zboot-header.S.
export const ZBOOT_MAGIC = "zimg";
export const ZbootHeader = struct("zboot_header", 64, {
  mz: ascii(0, 2),
  zimg: ascii(4, 4),
  payload_offset: u32(8),
  payload_size: u32(12),
  comp_type: ascii(24, 32),
});

/** `IMAGE_FILE_MACHINE_*` to what `uname -m` shows. */
export const PE_MACHINE_NAMES: ReadonlyMap<number, string> = new Map([
  [0x014c, "i386"],
  [0x01c2, "arm"],
  [0x5064, "riscv64"],
  [0x6264, "loongarch64"],
  [0x8664, "x86_64"],
  [0xaa64, "aarch64"],
]);

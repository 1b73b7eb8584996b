import { type ByteString, byteStringFrom, FormatError, hex, MemorySource, toSafeNumber } from "../../bytes/index.ts";
import { isPe, readPe } from "../pe/index.ts";
import { refuse } from "./foreign.ts";
import {
  ARM64_MAGIC,
  Arm64Header,
  BOOT_FLAG,
  DEFAULT_SETUP_SECTORS,
  HDRS_MAGIC,
  KERNEL_VERSION_BASE,
  PE_MACHINE_NAMES,
  PROTOCOL_KERNEL_VERSION,
  PROTOCOL_RELOCATABLE,
  PROTOCOL_SYSSIZE,
  PROTOCOL_XLOADFLAGS,
  SECTOR_SIZE,
  SetupHeader,
  SYSSIZE_UNIT,
  XLF_CAN_BE_LOADED_ABOVE_4G,
  XLF_EFI_HANDOVER_32,
  XLF_EFI_HANDOVER_64,
  XLF_KERNEL_64,
  ZBOOT_MAGIC,
  ZbootHeader,
} from "./layout.ts";

const FORMAT = "kernel image";

/** Linux's banner is shorter than this (release 64 + builder and compiler). */
const MAX_VERSION_TEXT_BYTES = 512;
/** How every kernel's banner begins (init/version-timestamp.c); a release starts with a digit. */
const BANNER = /Linux version (\d[^\s\0]*[^\n\0]*)/;
const BANNER_START = "Linux version ";
/** Strings that only look like the banner (format strings) come first at times; more than these are no kernel. */
const MAX_BANNER_CANDIDATES = 64;

/** What a kernel image says about itself. */
export interface KernelImage {
  readonly kind: "bzimage" | "arm64-image" | "efi-zboot";
  /** As `uname -m` names it. */
  readonly architecture: string;
  /** As `uname -r` will print it; undefined where it stands only in the compressed part (efi-zboot). */
  readonly release: string | undefined;
  /** Release, builder and date as the image gives them. */
  readonly versionText: string | undefined;
  /** Whether firmware can start it as an EFI program, which a UKI needs. */
  readonly efi: boolean;
  /** Only for `bzimage`. */
  readonly x86: X86Boot | undefined;
  /** Only for `efi-zboot`: where the compressed Image lies, in bytes from the start. */
  readonly payload: { readonly offset: number; readonly size: number; readonly compression: string } | undefined;
}

export interface X86Boot {
  /** For instance "2.15". */
  readonly protocol: string;
  readonly relocatable: boolean;
  readonly kernel64: boolean;
  readonly loadableAbove4G: boolean;
  readonly efiHandover32: boolean;
  readonly efiHandover64: boolean;
}

/**
 * Recognises a kernel as boot loaders take it: x86 bzImage, arm64 Image, EFI zboot.
 * @throws FormatError that says what the bytes are instead and what to do.
 */
export function parseKernelImage(bytes: Uint8Array): KernelImage {
  if (hasHdrs(bytes)) return parseBzImage(bytes);
  if (bytes.length >= ZbootHeader.size && ZbootHeader.parse(bytes).zimg === ZBOOT_MAGIC) return parseZboot(bytes);
  if (bytes.length >= Arm64Header.size && Arm64Header.parse(bytes).magic === ARM64_MAGIC) return parseArm64(bytes);
  return refuse(bytes);
}

function hasHdrs(bytes: Uint8Array): boolean {
  const { offset, size } = SetupHeader.fields.header;
  return byteStringFrom(bytes.subarray(offset, offset + size)) === HDRS_MAGIC;
}

function parseBzImage(bytes: Uint8Array): KernelImage {
  const header = SetupHeader.parse(bytes);
  if (header.boot_flag !== BOOT_FLAG) {
    throw new FormatError(`Cannot read the kernel: expected ${hex(BOOT_FLAG)}, got ${hex(header.boot_flag)}`, {
      format: FORMAT,
      offset: SetupHeader.fields.boot_flag.offset,
      field: "boot_flag",
    });
  }
  if (header.version < PROTOCOL_KERNEL_VERSION || header.kernel_version === 0) {
    throw new FormatError("Cannot read the kernel: its boot protocol has no version text; give a newer kernel", {
      format: FORMAT,
      field: "kernel_version",
    });
  }
  const setupBytes = ((header.setup_sects || DEFAULT_SETUP_SECTORS) + 1) * SECTOR_SIZE;
  const systemBytes = header.version >= PROTOCOL_SYSSIZE ? header.syssize * SYSSIZE_UNIT : 0;
  requireLength(bytes, setupBytes + systemBytes, "syssize");
  const versionOffset = KERNEL_VERSION_BASE + header.kernel_version;
  const version = byteStringFrom(
    bytes.subarray(versionOffset, Math.min(setupBytes, versionOffset + MAX_VERSION_TEXT_BYTES)),
  );
  const end = version.indexOf("\0");
  const versionText = version.slice(0, Math.max(end, 0));
  const release = versionText.split(" ", 1)[0];
  if (release === undefined || !/^\d/.test(release)) {
    throw new FormatError("Cannot read the kernel: expected a version text in the setup sectors", {
      format: FORMAT,
      offset: versionOffset,
      field: "kernel_version",
    });
  }
  const flags = header.version >= PROTOCOL_XLOADFLAGS ? header.xloadflags : 0;
  const has = (flag: number): boolean => (flags & flag) !== 0;
  return {
    kind: "bzimage",
    architecture: has(XLF_KERNEL_64) ? "x86_64" : "i386",
    release,
    versionText,
    efi: isPe(bytes),
    x86: {
      protocol: `${header.version >> 8}.${String(header.version & 0xff).padStart(2, "0")}`,
      relocatable: header.version >= PROTOCOL_RELOCATABLE && header.relocatable_kernel !== 0,
      kernel64: has(XLF_KERNEL_64),
      loadableAbove4G: has(XLF_CAN_BE_LOADED_ABOVE_4G),
      efiHandover32: has(XLF_EFI_HANDOVER_32),
      efiHandover64: has(XLF_EFI_HANDOVER_64),
    },
    payload: undefined,
  };
}

function parseZboot(bytes: Uint8Array): KernelImage {
  const header = ZbootHeader.parse(bytes);
  const machine = isPe(bytes) ? readPe(new MemorySource(bytes)).machine : undefined;
  const architecture = machine === undefined ? undefined : PE_MACHINE_NAMES.get(machine);
  if (architecture === undefined) {
    throw new FormatError("Cannot read the kernel: expected a PE header that names a known machine", {
      format: FORMAT,
      field: "machine",
    });
  }
  requireLength(bytes, header.payload_offset + header.payload_size, "payload_size");
  const payload = { offset: header.payload_offset, size: header.payload_size, compression: header.comp_type };
  return {
    kind: "efi-zboot",
    architecture,
    release: undefined,
    versionText: undefined,
    efi: true,
    x86: undefined,
    payload,
  };
}

function parseArm64(bytes: Uint8Array): KernelImage {
  const header = Arm64Header.parse(bytes);
  // image_size counts the zeroed memory behind the file too, so it can only be an upper bound; 0 means an Image
  // from before Linux 3.17.
  toSafeNumber(header.image_size, { format: FORMAT, field: "image_size" });
  const versionText = findBanner(bytes);
  if (versionText === undefined) {
    throw new FormatError("Cannot read the kernel: no version text in it, it may be truncated; copy it again", {
      format: FORMAT,
    });
  }
  return {
    kind: "arm64-image",
    architecture: "aarch64",
    release: versionText.split(" ", 1)[0],
    versionText,
    efi: isPe(bytes),
    x86: undefined,
    payload: undefined,
  };
}

function findBanner(bytes: Uint8Array): ByteString | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = buffer.indexOf(BANNER_START, 0, "latin1");
  for (let tries = 0; offset !== -1 && tries < MAX_BANNER_CANDIDATES; tries++) {
    const found = BANNER.exec(byteStringFrom(bytes.subarray(offset, offset + MAX_VERSION_TEXT_BYTES)));
    if (found?.index === 0) return found[1];
    offset = buffer.indexOf(BANNER_START, offset + 1, "latin1");
  }
  return undefined;
}

function requireLength(bytes: Uint8Array, expected: number, field: string): void {
  if (bytes.length < expected) {
    throw new FormatError(
      `Cannot read the kernel: it is truncated, expected ${expected} bytes, got ${bytes.length}; copy it again`,
      { format: FORMAT, offset: bytes.length, field },
    );
  }
}

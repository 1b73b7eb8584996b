import { byteStringFrom, FormatError, MemorySource } from "../../bytes/index.ts";
import { isPe, readPe, sectionNamed } from "../pe/index.ts";

const FORMAT = "kernel image";
const UKI_KERNEL_SECTION = ".linux";

/** What people give in place of a kernel, by its first bytes, and what they can do. */
const LOOKALIKES: readonly { magic: string; what: string; advice: string }[] = [
  {
    magic: "\x7fELF",
    what: "an ELF file (vmlinux)",
    advice: "give the bootable image, /boot/vmlinuz-* or arch/x86/boot/bzImage",
  },
  { magic: "\x1f\x8b", what: "gzip'ed", advice: "decompress it first, for instance with gzip -dc" },
  { magic: "\xfd7zXZ\0", what: "compressed with xz", advice: "decompress it first, for instance with xz -dc" },
  {
    magic: "\x28\xb5\x2f\xfd",
    what: "compressed with zstd",
    advice: "decompress it first, for instance with zstd -dc",
  },
  { magic: "070701", what: "a cpio archive (an initrd)", advice: "give the kernel, /boot/vmlinuz-*" },
];

/** Says what bytes that are no kernel are. @throws FormatError always. */
export function refuse(bytes: Uint8Array): never {
  const fail = (what: string, advice: string): never => {
    throw new FormatError(`Cannot read the kernel: it is ${what}; ${advice}`, { format: FORMAT });
  };
  if (bytes.length === 0) fail("empty", "copy it again");
  for (const { magic, what, advice } of LOOKALIKES) {
    if (byteStringFrom(bytes.subarray(0, magic.length)) === magic) fail(what, advice);
  }
  if (isPe(bytes)) {
    if (sectionNamed(readPe(new MemorySource(bytes)), UKI_KERNEL_SECTION) !== undefined) {
      fail(
        "a unified kernel image (UKI), which has a kernel inside",
        "give it as a UKI, or the kernel alone: objcopy -O binary -j .linux UKI KERNEL",
      );
    }
    fail("an EFI program without a Linux kernel", "give the kernel, /boot/vmlinuz-*");
  }
  return fail("no bzImage, arm64 Image or EFI zboot image, or it is truncated", "give the kernel, /boot/vmlinuz-*");
}

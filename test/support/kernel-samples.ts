import { gzipSync } from "node:zlib";
import { byteStringBytes } from "../../src/bytes/index.ts";
import { SECTOR_SIZE, SetupHeader, SYSSIZE_UNIT } from "../../src/formats/bzimage/index.ts";
import {
  Elf64Header,
  Elf64SectionHeader,
  MODULE_SIG_STRING,
  ModuleSignatureTrailer,
  PKEY_ID_PKCS7,
} from "../../src/formats/elf-module/index.ts";
import { regularFile, Tree } from "../../src/tree/index.ts";

/** A module that has nothing but a .modinfo section with these `key=value` entries. */
export function sampleModule(entries: readonly string[], header: Partial<ReturnType<typeof Elf64Header.parse>> = {}) {
  const modinfo = byteStringBytes(entries.map((entry) => `${entry}\0`).join(""));
  const names = byteStringBytes("\0.modinfo\0.shstrtab\0");
  const modinfoOffset = Elf64Header.size;
  const namesOffset = modinfoOffset + modinfo.length;
  const tableOffset = namesOffset + names.length;
  return Buffer.concat([
    Elf64Header.encode({
      e_ident: byteStringBytes("\x7fELF\x02\x01\x01"),
      e_type: 1,
      e_machine: 62,
      e_shoff: BigInt(tableOffset),
      e_shentsize: Elf64SectionHeader.size,
      e_shnum: 3,
      e_shstrndx: 2,
      ...header,
    }),
    modinfo,
    names,
    Elf64SectionHeader.encode({}),
    Elf64SectionHeader.encode({
      sh_name: 1,
      sh_type: 1,
      sh_offset: BigInt(modinfoOffset),
      sh_size: BigInt(modinfo.length),
    }),
    Elf64SectionHeader.encode({
      sh_name: 10,
      sh_type: 3,
      sh_offset: BigInt(namesOffset),
      sh_size: BigInt(names.length),
    }),
  ]);
}

/** `module` with something in the place of a signature. */
export function signSample(
  module: Uint8Array,
  signature: Uint8Array,
  trailer: Partial<ReturnType<typeof ModuleSignatureTrailer.parse>> = {},
): Uint8Array {
  return Buffer.concat([
    module,
    signature,
    ModuleSignatureTrailer.encode({ id_type: PKEY_ID_PKCS7, sig_len: signature.length, ...trailer }),
    byteStringBytes(MODULE_SIG_STRING),
  ]);
}

/** The smallest x86 kernel that has a version text: two sectors of set-up and one of system. */
export function sampleBzImage(
  version = "6.12.1-test (me@here) #1 SMP",
  fields: Partial<ReturnType<typeof SetupHeader.parse>> = {},
): Uint8Array {
  const image = new Uint8Array(3 * 512);
  const header = { setup_sects: 1, syssize: 32, boot_flag: 0xaa55, header: "HdrS", version: 0x020f };
  SetupHeader.write(image, 0, {
    ...header,
    relocatable_kernel: 1,
    xloadflags: 0b1011,
    kernel_version: 0x80,
    ...fields,
  });
  image.set(byteStringBytes(`${version}\0`), 0x280);
  return image;
}

/** A call of verify_pkcs7_signature() with two NULLs as compilers set it up, to `target` bytes behind its own end. */
export function verifyCall(keyring: number, target: number): Uint8Array {
  const call = Buffer.alloc(4);
  call.writeInt32LE(target);
  return Buffer.concat([Buffer.from("6a004c89ea4531c941b8", "hex"), Buffer.of(keyring, 0, 0, 0, 0x6a, 0, 0xe8), call]);
}

const CALL_BYTES = verifyCall(0, 0).length;
const CODE_GAP_BYTES = 100;

export const TEXTS_OF_MODULE_CHECKS = [
  "module with unavailable key",
  "UEFI:db",
  "Machine keyring initialized",
  "EFI Secure Boot",
];

/** What lazyrd looks for in a kernel: code that checks modules against these keyrings, and texts. */
export function sampleVmlinux(
  keyrings: readonly number[] = [1, 2],
  texts: readonly (string | Uint8Array)[] = TEXTS_OF_MODULE_CHECKS,
): Uint8Array {
  // All calls lead to the end of the code.
  const step = CALL_BYTES + CODE_GAP_BYTES;
  const calls = keyrings.flatMap((keyring, index) => [
    verifyCall(keyring, (keyrings.length - index) * step - CALL_BYTES),
    new Uint8Array(CODE_GAP_BYTES),
  ]);
  const nul = Uint8Array.of(0);
  return Buffer.concat([
    byteStringBytes("\x7fELF"),
    ...calls,
    ...texts.flatMap((text) => [typeof text === "string" ? byteStringBytes(text) : text, nul]),
  ]);
}

/** A kernel as `sampleBzImage` makes it, with this one inside. */
export function sampleBzImageOf(vmlinux: Uint8Array): Uint8Array {
  const payload = gzipSync(vmlinux);
  const system = new Uint8Array(Math.ceil(payload.length / SYSSIZE_UNIT) * SYSSIZE_UNIT);
  system.set(payload);
  const image = sampleBzImage(undefined, {
    syssize: system.length / SYSSIZE_UNIT,
    payload_length: payload.length,
  });
  return Buffer.concat([image.subarray(0, 2 * SECTOR_SIZE), system]);
}

/** A tree with these text files (and bytes) in usr/lib/modules/<release>, and lib as the usual symlink's target. */
export function sampleModules(files: Readonly<Record<string, string | Uint8Array>>, release = "6.12.1-test"): Tree {
  const tree = new Tree();
  for (const [name, content] of Object.entries(files)) {
    const bytes = typeof content === "string" ? byteStringBytes(content) : content;
    tree.setWithParents(`usr/lib/modules/${release}/${name}`, regularFile(bytes));
  }
  return tree;
}

import { type ByteSource, FormatError, toText } from "../bytes/index.ts";
import { decompress } from "../formats/compression/index.ts";
import { parseModule, readModuleSignature } from "../formats/elf-module/index.ts";
import { formatExactSize, labelledLines } from "../text/index.ts";
import { describeSigner } from "./signer.ts";
import type { InspectedFile, Inspection, Reader } from "./types.ts";
import { readWhole } from "./whole.ts";

const ELF_MAGIC = [0x7f, 0x45, 0x4c, 0x46];

export const moduleReader: Reader = {
  what: "a kernel module",
  matches: isElf,
  inspect: (file) => inspectModule(file, readWhole(file.source, "kernel module")),
};

/** What a compressed file unpacks to when that is an ELF file: a module, then. */
export async function moduleInside(packed: ByteSource): Promise<Uint8Array | undefined> {
  try {
    const { output } = await decompress(packed);
    return isElf(output) ? output : undefined;
  } catch (cause) {
    // Whoever asks has another error for data that cannot be unpacked.
    if (cause instanceof FormatError) return undefined;
    throw cause;
  }
}

/** @param bytes the module, unpacked */
export function inspectModule({ source }: InspectedFile, bytes: Uint8Array): Inspection {
  const info = parseModule(bytes);
  const signature = readModuleSignature(bytes);
  const signer = signature === undefined ? undefined : describeSigner(signature.signatureBytes);
  const list = (names: readonly string[]): string => names.map(toText).join(" ") || "none";
  const name = info.name === undefined ? undefined : toText(info.name);
  const packed = source.size === bytes.length ? undefined : formatExactSize(source.size);
  return {
    format: "module",
    title: `kernel module ${name ?? "without a name"}`,
    lines: labelledLines([
      ["for", `${info.architecture}, ${info.vermagic === undefined ? "any release" : toText(info.vermagic).trim()}`],
      ["size", formatExactSize(bytes.length)],
      ["packed", packed],
      ["depends", list(info.depends)],
      ["softdeps", info.softdeps.length === 0 ? undefined : info.softdeps.map(toText).join("; ")],
      ["firmware", info.firmware.length === 0 ? undefined : list(info.firmware)],
      ["aliases", String(info.aliases.length)],
      ["license", info.license === undefined ? "none" : toText(info.license)],
      ["signed by", signer === undefined ? "nobody" : `${signer.issuer}, serial ${signer.serial}, ${signer.digest}`],
    ]),
    facts: {
      name: name ?? null,
      architecture: info.architecture,
      vermagic: info.vermagic === undefined ? null : toText(info.vermagic).trim(),
      unpackedBytes: bytes.length,
      depends: info.depends.map(toText),
      softdeps: info.softdeps.map(toText),
      firmware: info.firmware.map(toText),
      aliases: info.aliases.map(toText),
      license: info.license === undefined ? null : toText(info.license),
      signer: signer ?? null,
    },
    warnings: [],
    problems: [],
    list: undefined,
    dump: undefined,
    verify: undefined,
  };
}

function isElf(bytes: Uint8Array): boolean {
  return ELF_MAGIC.every((byte, index) => bytes[index] === byte);
}

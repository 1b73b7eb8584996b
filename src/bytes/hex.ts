import { FormatError } from "./errors.ts";

/** Lower-case hexadecimal, two digits a byte. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** @throws FormatError when `text` is not an even number of hexadecimal digits. */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) {
    throw new FormatError(`Cannot read ${JSON.stringify(text)}: expected an even number of hexadecimal digits`, {
      format: "hex",
    });
  }
  return new Uint8Array(Buffer.from(text, "hex"));
}

/** `0x` and the hexadecimal digits, as error messages show numbers. */
export function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

import { type ByteString, byteStringBytes } from "../../bytes/index.ts";

/** An ELF string table in the making (gABI 4.1, "String Table"): each text once, NUL after each; 0 is the empty text. */
export class StringTable {
  readonly #offsets = new Map<ByteString, number>([["", 0]]);
  #text: ByteString = "\0";

  /** Where the text stands in the table. */
  add(text: ByteString): number {
    const known = this.#offsets.get(text);
    if (known !== undefined) return known;
    const offset = this.#text.length;
    this.#offsets.set(text, offset);
    this.#text += `${text}\0`;
    return offset;
  }

  bytes(): Uint8Array {
    return byteStringBytes(this.#text);
  }
}

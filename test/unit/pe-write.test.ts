import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { FormatError, MemorySource } from "../../src/bytes/index.ts";
import {
  authenticodeDigest,
  changeSections,
  peChecksum,
  readPe,
  readSignatures,
  sectionNamed,
  sectionSource,
  withSignatures,
} from "../../src/formats/pe/index.ts";
import { OptionalHeader64, WinCertificate } from "../../src/formats/pe/layout.ts";
import { FILE_ALIGNMENT, SECTION_ALIGNMENT, sampleProgram, text } from "../support/pe-samples.ts";

const program = sampleProgram([
  { name: ".text", content: text("code") },
  { name: ".old", content: text("goes") },
  { name: ".data", content: text("stays") },
]);
const read = (bytes: Uint8Array) => readPe(new MemorySource(bytes));

function contentOf(bytes: Uint8Array, name: string): string {
  const section = sectionNamed(read(bytes), name);
  if (section === undefined) throw new Error(`no section ${name}`);
  const source = sectionSource(new MemorySource(bytes), section);
  return Buffer.from(source.read(0, source.size)).toString();
}

describe("changing sections", () => {
  const long = "x".repeat(5000);
  const changed = changeSections(program, {
    remove: [".old"],
    add: [
      { name: ".new", content: text(long), kind: "data" },
      { name: ".linux", content: text("kernel"), kind: "code" },
    ],
  });
  const image = read(changed);

  test("old ones keep their place in memory, new ones follow on pages of their own", () => {
    expect(image.sections).toEqual([
      { ...section(".text", 0x1000, 4), rawOffset: 1024, characteristics: 0x4000_0040 },
      { ...section(".data", 0x3000, 5), rawOffset: 1536, characteristics: 0x4000_0040 },
      { ...section(".new", 0x4000, 5000), rawOffset: 2048, rawSize: 5120, characteristics: 0x4000_0040 },
      { ...section(".linux", 0x6000, 6), rawOffset: 7168, characteristics: 0x4000_0020 },
    ]);
    expect(image).toMatchObject({ sizeOfImage: 0x7000, sizeOfHeaders: 1024 });
    expect([".text", ".data", ".new", ".linux"].map((name) => contentOf(changed, name))).toEqual([
      "code",
      "stays",
      long,
      "kernel",
    ]);
  });

  test("the file ends with the last section, in whole units, with a valid checksum", () => {
    expect(changed.length).toBe(7680);
    const { CheckSum } = OptionalHeader64.parse(changed, image.offsets.optionalHeader);
    expect(CheckSum).toBe(peChecksum(changed, image.offsets.checksum));
    expect(CheckSum).not.toBe(0);
  });

  test("the input is left alone, and the same input gives the same bytes", () => {
    const add = [{ name: ".a", content: text("a"), kind: "data" as const }];
    const before = createHash("sha256").update(program).digest("hex");
    expect(changeSections(program, { add })).toEqual(changeSections(program, { add }));
    expect(createHash("sha256").update(program).digest("hex")).toBe(before);
  });

  test("the header grows up to the first section's address", () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ name: `.s${index}`, content: text("x"), kind: "data" as const }));
    const grown = changeSections(program, { add: many(40) });
    expect(read(grown)).toMatchObject({ sizeOfHeaders: 2048 });
    expect(read(grown).sections).toHaveLength(43);
    expect(contentOf(grown, ".data")).toBe("stays");
    // 4096 bytes less 328 in front of the table, 40 each.
    expect(read(changeSections(program, { add: many(91) })).sections).toHaveLength(94);
    expect(() => changeSections(program, { add: many(92) })).toThrow(
      "pe: Cannot write 95 sections: the header has room for 94; take another stub, or fewer sections",
    );
  });

  test("symbols behind the sections and signatures are left out", () => {
    const signed = withSignatures(program, [text("signature")]);
    const withSymbols = new Uint8Array([...program, ...text("symbols")]);
    expect(changeSections(signed, { add: [] })).toEqual(changeSections(program, { add: [] }));
    expect(changeSections(withSymbols, { add: [] })).toEqual(changeSections(program, { add: [] }));
  });

  test("sections that overlap are refused", () => {
    const overlapping = sampleProgram([
      { name: ".a", content: new Uint8Array(100), address: 0x1000 },
      { name: ".b", content: new Uint8Array(100), address: 0x1040 },
    ]);
    expect(() => changeSections(overlapping, { add: [] })).toThrow(
      'pe: Cannot add sections: section ".a" and section ".b" overlap in memory at 0x1040',
    );
    const twice = Uint8Array.from(program);
    const { sectionTable } = read(program).offsets;
    new DataView(twice.buffer).setUint32(sectionTable + 40 + 0x14, 1024, true);
    expect(() => changeSections(twice, { add: [] })).toThrow(/overlap in the file at 0x400/);
  });

  test("alignments that are none are refused", () => {
    const bad = Uint8Array.from(program);
    OptionalHeader64.write(bad, read(bad).offsets.optionalHeader, { FileAlignment: 0 });
    expect(() => changeSections(bad, { add: [] })).toThrow(/expected powers of two, got file alignment 0/);
  });

  test("debug data keeps sections where they are", () => {
    const debug = Uint8Array.from(program);
    const directory = (read(debug).offsets.certificateDirectory ?? 0) + 16;
    new DataView(debug.buffer).setUint32(directory + 4, 28, true);
    expect(changeSections(debug, { add: [] })).toHaveLength(program.length);
    expect(() => changeSections(debug, { remove: [".text"], add: [] })).toThrow(/debug data says where/);
  });

  function section(name: string, virtualAddress: number, virtualSize: number) {
    return { name, virtualAddress, virtualSize, rawSize: FILE_ALIGNMENT };
  }
});

describe("the Authenticode digest", () => {
  test("is about everything but checksum and signatures", () => {
    const digest = authenticodeDigest(program);
    const offsets = read(program).offsets;
    const flipped = (offset: number): Uint8Array => {
      const copy = Uint8Array.from(program);
      copy[offset] = (copy[offset] ?? 0) ^ 0x80;
      return authenticodeDigest(copy);
    };
    expect(flipped(offsets.checksum)).toEqual(digest);
    expect(flipped(offsets.checksum + 4)).not.toEqual(digest);
    expect(flipped(1024)).not.toEqual(digest);
    expect(flipped(program.length - 1)).not.toEqual(digest);
    expect(authenticodeDigest(withSignatures(program, [text("anything")]))).toEqual(digest);
  });

  test("of a file of odd length includes the zeros in front of its first signature", () => {
    const odd = new Uint8Array([...program, 1, 2, 3]);
    expect(authenticodeDigest(withSignatures(odd, [text("anything")]))).toEqual(authenticodeDigest(odd));
  });
});

describe("signatures", () => {
  const one = text("the first signature");
  const two = text("another");

  test("come back as they were put in", () => {
    expect(readSignatures(program)).toEqual([]);
    const signed = withSignatures(program, [one, two]);
    expect(readSignatures(signed).map((signature) => Buffer.from(signature).toString())).toEqual([
      "the first signature",
      "another",
    ]);
    expect(signed.length % 8).toBe(0);
    expect(read(signed).certificates).toEqual({ offset: program.length, size: 32 + 16 });
    expect(readSignatures(withSignatures(signed, [two]))).toHaveLength(1);
  });

  test("that are removed leave nothing behind", () => {
    const clean = withSignatures(program, []);
    expect(withSignatures(withSignatures(program, [one, two]), [])).toEqual(clean);
    expect(clean).toHaveLength(program.length);
  });

  test("with something behind them are not replaced", () => {
    const signed = withSignatures(program, [one]);
    const extended = new Uint8Array([...signed, ...new Uint8Array(16)]);
    expect(() => withSignatures(extended, [])).toThrow(/16 bytes stand behind them/);
  });

  test("whose table is damaged are refused", () => {
    const signed = withSignatures(program, [one]);
    for (const dwLength of [0, 7, 33, 0xffff_ffff]) {
      const bad = Uint8Array.from(signed);
      WinCertificate.write(bad, program.length, { dwLength });
      expect(() => readSignatures(bad)).toThrow(FormatError);
    }
  });

  test("of another type are passed over", () => {
    const signed = withSignatures(program, [one, two]);
    WinCertificate.write(signed, program.length, { wCertificateType: 0x0ef1 });
    expect(readSignatures(signed)).toHaveLength(1);
  });

  test("a program without a place for them is refused", () => {
    const bare = Uint8Array.from(program);
    OptionalHeader64.write(bare, read(bare).offsets.optionalHeader, { NumberOfRvaAndSizes: 4 });
    expect(() => withSignatures(bare, [one])).toThrow(/its header has no place for a signature/);
    expect(withSignatures(bare, [])).toHaveLength(bare.length);
  });
});

test("new sections start on pages even where the program's own do not", () => {
  const dense = Uint8Array.from(program);
  OptionalHeader64.write(dense, read(dense).offsets.optionalHeader, { SectionAlignment: 512 });
  const image = read(changeSections(dense, { add: [{ name: ".a", content: text("a"), kind: "data" }] }));
  expect((image.sections.at(-1)?.virtualAddress ?? 1) % SECTION_ALIGNMENT).toBe(0);
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  alignUp,
  byteStringBytes,
  byteStringFrom,
  chunksOf,
  compareByteStrings,
  crc32,
  crc32cState,
  customGuid,
  divideUp,
  FormatError,
  fromHex,
  fromText,
  GUID_SIZE,
  guidFromEfi,
  guidFromTextOrder,
  guidToEfi,
  guidToTextOrder,
  hex,
  isPowerOfTwo,
  MemorySink,
  MemorySource,
  NIL_GUID,
  SubSource,
  sequentialSink,
  ToolError,
  toHex,
  toSafeNumber,
  toText,
  UsageError,
} from "../../src/bytes/index.ts";

const ascii = (text: string): Uint8Array => byteStringBytes(text);

describe("errors", () => {
  test("a fault in data says what, in which format, which field and where, in one line", () => {
    const cause = new Error("below");
    const error = new FormatError("Cannot read the block: expected 0x1, got 0x2", {
      format: "erofs",
      offset: 0x400,
      field: "magic",
      cause,
    });
    expect(error.message).toBe("erofs: Cannot read the block: expected 0x1, got 0x2 (magic) at offset 0x400");
    expect(error).toMatchObject({ name: "FormatError", format: "erofs", offset: 0x400, field: "magic", cause });
  });

  test("what is not known of a fault is left out", () => {
    const error = new FormatError("Cannot read it", { format: "gpt" });
    expect(error.message).toBe("gpt: Cannot read it");
    expect([error.offset, error.field, "cause" in error]).toEqual([undefined, undefined, false]);
    expect(new FormatError("Cannot read it", { format: "gpt", offset: 0 }).message).toBe(
      "gpt: Cannot read it at offset 0x0",
    );
  });

  test("the other two kinds carry what a person needs", () => {
    const argv = ["qemu", "-x"];
    expect(new ToolError("Cannot run", { argv, exitCode: 2, stderr: "bad" })).toMatchObject({
      name: "ToolError",
      argv,
      exitCode: 2,
      stderr: "bad",
    });
    expect(new UsageError("Cannot write", { hint: "make room" })).toMatchObject({
      name: "UsageError",
      hint: "make room",
    });
    expect(new UsageError("Cannot write").hint).toBeUndefined();
  });
});

describe("integers", () => {
  test("a u64 is a number up to 2^53 - 1, and a fault above", () => {
    const where = { format: "test", field: "size", offset: 8 };
    expect(toSafeNumber(2n ** 53n - 1n, where)).toBe(Number.MAX_SAFE_INTEGER);
    for (const value of [2n ** 53n, 2n ** 64n - 1n, -1n]) expect(() => toSafeNumber(value, where)).toThrow(FormatError);
    expect(() => toSafeNumber(2n ** 53n, where)).toThrow(
      "test: Cannot use a value of 0x20000000000000: expected at most 2^53 - 1 (size) at offset 0x8",
    );
  });

  test.each([
    [0, 4096, 0, 0],
    [1, 4096, 4096, 1],
    [4096, 4096, 4096, 1],
    [4097, 4096, 8192, 2],
    [2 ** 40 + 1, 512, 2 ** 40 + 512, 2 ** 31 + 1],
    [7, 3, 9, 3],
  ])("%i in units of %i", (value, unit, aligned, units) => {
    expect([alignUp(value, unit), divideUp(value, unit)]).toEqual([aligned, units]);
  });

  test("powers of two", () => {
    const powers = Array.from({ length: 53 }, (_, exponent) => 2 ** exponent);
    expect(powers.filter((value) => !isPowerOfTwo(value))).toEqual([]);
    const others = [0, -1, -2, 3, 6, 0.5, 1.5, 2 ** 52 + 1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53];
    expect(others.filter(isPowerOfTwo)).toEqual([]);
  });
});

describe("checksums", () => {
  // "Check" of the CRC catalogue, and RFC 3720, appendix B.4.
  test("CRC-32 of known texts", () => {
    expect([crc32(ascii("123456789")), crc32(new Uint8Array())]).toEqual([0xcbf43926, 0]);
    expect(crc32(ascii("The quick brown fox jumps over the lazy dog"))).toBe(0x414fa339);
  });

  test.each([
    ["32 zeros", new Uint8Array(32), 0x8a9136aa],
    ["32 ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ["0 to 31", Uint8Array.from({ length: 32 }, (_, index) => index), 0x46dd794e],
    ["31 to 0", Uint8Array.from({ length: 32 }, (_, index) => 31 - index), 0x113fdb5c],
    ["digits", ascii("123456789"), 0xe3069283],
  ])("CRC-32C of %s: the register before the last inversion", (_, input, checksum) => {
    expect(crc32cState(input)).toBe((checksum ^ 0xffff_ffff) >>> 0);
  });

  test("the register goes on where it stopped", () => {
    const input = ascii("123456789");
    expect(crc32cState(input.subarray(4), crc32cState(input.subarray(0, 4)))).toBe(crc32cState(input));
    expect(crc32cState(new Uint8Array(), 7)).toBe(7);
  });
});

describe("GUIDs", () => {
  // The type of an EFI system partition, as sgdisk and the kernel's headers write it.
  const ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
  const ESP_ON_DISK = fromHex("28732ac11ff8d211ba4b00a0c93ec93b");

  test("EFI keeps the first three fields little-endian", () => {
    expect(guidFromEfi(ESP_ON_DISK)).toBe(ESP);
    expect(guidToEfi(ESP)).toEqual(ESP_ON_DISK);
    expect(guidToEfi(ESP.toUpperCase())).toEqual(ESP_ON_DISK);
    expect(guidFromEfi(Buffer.from(ESP_ON_DISK))).toBe(ESP);
  });

  test("the order of the text is that of its digits", () => {
    expect(toHex(guidToTextOrder(ESP))).toBe(ESP.replaceAll("-", ""));
    expect(guidFromTextOrder(guidToTextOrder(ESP))).toBe(ESP);
    expect(guidFromEfi(new Uint8Array(GUID_SIZE))).toBe(NIL_GUID);
  });

  test.each(["", "c12a7328f81f11d2ba4b00a0c93ec93b", `${ESP} `, `{${ESP}}`, `${ESP}\n`, ESP.replace("c", "g")])(
    "%j is none",
    (text) => {
      expect(() => guidToEfi(text)).toThrow(/^guid: Cannot read .*: expected xxxxxxxx-xxxx/);
    },
  );

  test.each([0, 15, 17])("%i bytes are none", (length) => {
    expect(() => guidFromEfi(new Uint8Array(length))).toThrow(/has 16 bytes, got/);
    expect(() => guidFromTextOrder(new Uint8Array(length))).toThrow(RangeError);
    expect(() => customGuid(new Uint8Array(length))).toThrow(RangeError);
  });

  test("a computed one is marked as version 8, and leaves what it was made of alone", () => {
    const digest = Buffer.alloc(GUID_SIZE, 0xff);
    expect(customGuid(digest)).toBe("ffffffff-ffff-8fff-bfff-ffffffffffff");
    expect(customGuid(new Uint8Array(GUID_SIZE))).toBe("00000000-0000-8000-8000-000000000000");
    expect(digest.every((octet) => octet === 0xff)).toBe(true);
  });

  test("any 16 bytes survive both ways", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: GUID_SIZE, maxLength: GUID_SIZE }), (bytes) => {
        expect(guidToEfi(guidFromEfi(bytes))).toEqual(bytes);
        expect(guidToTextOrder(guidFromTextOrder(bytes))).toEqual(bytes);
      }),
    );
  });
});

describe("hexadecimal", () => {
  test("both ways, upper case accepted, of a view only what it shows", () => {
    expect(toHex(Buffer.from([0, 1, 0xab, 0xff]).subarray(1, 3))).toBe("01ab");
    expect(fromHex("00aBFf")).toEqual(Uint8Array.of(0, 0xab, 0xff));
    expect([hex(255), hex(2n ** 64n - 1n)]).toEqual(["0xff", "0xffffffffffffffff"]);
  });

  test.each(["0", "0g", "0x00", " 00", "00\n"])("%j is refused", (text) => {
    expect(() => fromHex(text)).toThrow(/hex: Cannot read .*expected an even number/);
  });
});

describe("byte strings", () => {
  test("any bytes are kept, and sort as unsigned bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (left, right) => {
        expect(byteStringBytes(byteStringFrom(left))).toEqual(left);
        const order = Buffer.compare(left, right);
        expect(compareByteStrings(byteStringFrom(left), byteStringFrom(right))).toBe(order);
      }),
    );
    expect(byteStringFrom(Buffer.from("xabcx").subarray(1, 4))).toBe("abc");
  });

  test("text goes in as UTF-8 and is shown again", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[ -~äß€漢😀\ufffd]*$/u), (text) => {
        expect(toText(fromText(text))).toBe(text);
      }),
    );
    expect(fromText("ä€")).toBe("\xc3\xa4\xe2\x82\xac");
  });

  test.each([
    ["a bare byte", "a\xff", "a\\xff"],
    ["one bad byte: no guess about the others", "\xc3\xa4\xff", "\\xc3\\xa4\\xff"],
    ["a cut sequence", "\xe2\x82", "\\xe2\\x82"],
    ["a sequence longer than needed", "\xc0\xaf", "\\xc0\\xaf"],
    ["half of a surrogate pair", "\xed\xa0\x80", "\\xed\\xa0\\x80"],
    ["control characters", "\x1b[2J\n\0\x7f", "\\x1b[2J\\x0a\\x00\\x7f"],
    ["control characters of Latin-1, which some terminals obey", fromText("\u009b2J"), "\\xc2\\x9b2J"],
    ["marks that turn text around", fromText("a\u202eb"), "a\\xe2\\x80\\xaeb"],
    ["line separators", fromText("a\u2028b"), "a\\xe2\\x80\\xa8b"],
    ["control characters next to a bad byte", "\t\xff", "\\x09\\xff"],
  ])("%s", (_, value, shown) => {
    expect(toText(value)).toBe(shown);
  });

  test("nothing that is shown acts on a terminal", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(toText(byteStringFrom(bytes))).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      }),
    );
  });
});

describe("sources", () => {
  const source = new MemorySource(Uint8Array.from({ length: 10 }, (_, index) => index));

  test("give exactly the range that was asked for", () => {
    expect(source.read(3, 4)).toEqual(Uint8Array.of(3, 4, 5, 6));
    expect(source.read(10, 0)).toEqual(new Uint8Array());
    const part = new SubSource(new SubSource(source, 2, 6), 1, 4);
    expect([part.size, part.read(1, 2)]).toEqual([4, Uint8Array.of(4, 5)]);
  });

  test.each([
    [-1, 2],
    [0, -1],
    [9, 2],
    [11, 0],
    [Number.NaN, 1],
    [0, Number.NaN],
    [0, Number.POSITIVE_INFINITY],
  ])("refuse %d, %d", (offset, length) => {
    expect(() => source.read(offset, length)).toThrow(FormatError);
    expect(() => new SubSource(source, 0, 10).read(offset, length)).toThrow(FormatError);
    expect(() => new SubSource(source, offset, length)).toThrow(/the input ends after 10 bytes/);
  });

  test("a part cannot see beyond its end", () => {
    expect(() => new SubSource(source, 2, 3).read(2, 2)).toThrow(/ends after 3 bytes/);
  });

  test("chunks are the whole, in order, the last one shorter", () => {
    expect([...chunksOf(source, 4)].map((chunk) => [...chunk])).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ]);
    expect([...chunksOf(new MemorySource(new Uint8Array()))]).toEqual([]);
    expect([...chunksOf(source)]).toHaveLength(1);
  });
});

describe("sinks", () => {
  test("a buffer that is used again does not change what was written", () => {
    const sink = new MemorySink();
    for (const Kind of [Uint8Array, Buffer]) {
      const buffer = Kind === Buffer ? Buffer.alloc(2) : new Uint8Array(2);
      buffer.fill(1);
      sink.write(buffer);
      sink.write(buffer.subarray(1));
      buffer.fill(9);
    }
    expect(sink.bytes()).toEqual(Uint8Array.of(1, 1, 1, 1, 1, 1));
    expect(new MemorySink().bytes()).toEqual(new Uint8Array());
  });

  test("what is written in order goes one behind the other from the start that was given", () => {
    const written: [number, number[]][] = [];
    const sink = sequentialSink({ writeAt: (offset, bytes) => written.push([offset, [...bytes]]) }, 100);
    sink.write(Uint8Array.of(1, 2, 3));
    sink.write(new Uint8Array());
    sink.write(Uint8Array.of(4));
    expect(written).toEqual([
      [100, [1, 2, 3]],
      [103, []],
      [103, [4]],
    ]);
  });
});

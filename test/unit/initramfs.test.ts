import { describe, expect, it } from "vitest";
import { FormatError } from "../../src/bytes/index.ts";
import { compress } from "../../src/formats/compression/index.ts";
import { dumpInitramfs, readInitramfs, treeOfInitramfs } from "../../src/formats/cpio/index.ts";
import { CountingSource } from "../support/counting-source.ts";
import { DIRECTORY_MODE, rawArchive, rawEntry } from "../support/newc.ts";

const join = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
const nul = (count: number): Uint8Array => new Uint8Array(count);
/** NUL bytes up to the next multiple of 4, as whoever concatenates segments must add them. */
const aligned = (bytes: Uint8Array): Uint8Array => join(bytes, nul((4 - (bytes.length % 4)) % 4));

const MICROCODE = rawArchive(
  { name: ".", mode: DIRECTORY_MODE },
  { name: "kernel", mode: DIRECTORY_MODE },
  { name: "kernel/x86", mode: DIRECTORY_MODE },
  { name: "kernel/x86/microcode", mode: DIRECTORY_MODE },
  { name: "kernel/x86/microcode/GenuineIntel.bin", data: "microcode" },
  { name: "early_cpio", data: "1" },
);
const PLAIN = rawArchive({ name: "plain", data: "1" });
const MAIN = rawArchive({ name: "etc", mode: DIRECTORY_MODE }, { name: "etc/main", data: "2" });

async function sample(last: "gzip" | "zstd" = "gzip"): Promise<Uint8Array> {
  const zstd = await compress(MAIN, { method: "zstd" });
  const packed = await compress(rawArchive({ name: "etc/last", data: "3" }), { method: last });
  return join(MICROCODE, nul(512), PLAIN, aligned(zstd), aligned(packed), nul(100));
}

function bootconfig(text: string, change: (footer: DataView) => void = () => undefined): Uint8Array {
  const body = aligned(new Uint8Array(Buffer.from(text)));
  const footer = new DataView(new ArrayBuffer(8));
  footer.setUint32(0, body.length, true);
  footer.setUint32(
    4,
    body.reduce((sum, byte) => sum + byte, 0),
    true,
  );
  change(footer);
  return join(body, new Uint8Array(footer.buffer), new Uint8Array(Buffer.from("#BOOTCONFIG\n")));
}

async function errorOf(promise: Promise<unknown>): Promise<FormatError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FormatError);
  return error as FormatError;
}

describe("readInitramfs of a source", () => {
  it("reads the archives, and leaves compressed segments to who unpacks them", async () => {
    const packed = join(await compress(MAIN, { method: "gzip" }), new Uint8Array(8 << 20).fill(1));
    const source = new CountingSource(join(MICROCODE, PLAIN, packed));
    const start = MICROCODE.length + PLAIN.length;
    const asked: unknown[] = [];
    const unpack = async (part: { offset: number; length: number }, limitBytes: number) => {
      asked.push({ ...part, limitBytes });
      return { method: "gzip" as const, output: MAIN, consumed: part.length };
    };
    const { segments } = await readInitramfs(source, { unpack, limitBytes: 1 << 20 });
    expect(segments.map(({ offset, method, early }) => [offset, method, early])).toEqual([
      [0, "none", true],
      [MICROCODE.length, "none", false],
      [start, "gzip", false],
    ]);
    expect(asked).toEqual([{ offset: start, length: packed.length, limitBytes: 1 << 20 }]);
    expect(source.bytesRead).toBeLessThan(2 << 20);
  });

  it("gives what its bytes give, at whatever length", async () => {
    const bytes = await sample();
    const outcome = (result: ReturnType<typeof readInitramfs>): Promise<unknown> =>
      result.then(dumpInitramfs, ({ message }: Error) => message);
    for (let length = 0; length <= bytes.length; length += 7) {
      const part = bytes.slice(0, length);
      expect(await outcome(readInitramfs(new CountingSource(part)))).toEqual(await outcome(readInitramfs(part)));
    }
  });
});

describe("readInitramfs", () => {
  it("finds the segments, and which of them is early", async () => {
    const bytes = await sample();
    const { segments, bootconfig: none, warnings } = await readInitramfs(bytes);
    expect(segments.map(({ method, early }) => [method, early])).toEqual([
      ["none", true],
      ["none", false],
      ["zstd", false],
      ["gzip", false],
    ]);
    expect(segments.map(({ offset }) => offset % 4)).toEqual([0, 0, 0, 0]);
    expect(segments[0]).toMatchObject({ offset: 0, length: MICROCODE.length });
    expect(segments[1]).toMatchObject({ offset: MICROCODE.length + 512, length: PLAIN.length });
    expect(none).toBeUndefined();
    expect(warnings).toEqual([]);
  });

  it("makes one tree of them, with or without the early ones", async () => {
    const initramfs = await readInitramfs(await sample());
    const all = treeOfInitramfs(initramfs);
    expect(all.warnings).toEqual([]);
    expect([...all.tree.root.entries.keys()].sort()).toEqual(["early_cpio", "etc", "kernel", "plain"]);
    expect(all.tree.get("etc/last")).toBeDefined();
    const { tree } = treeOfInitramfs(initramfs, { includeEarly: false });
    expect([...tree.root.entries.keys()].sort()).toEqual(["etc", "plain"]);
  });

  it("takes microcode for early only where the kernel looks for it", async () => {
    const { segments } = await readInitramfs(join(PLAIN, MICROCODE, await compress(MICROCODE, { method: "gzip" })));
    expect(segments.map(({ early }) => early)).toEqual([false, false, false]);
  });

  it("reads an empty initrd, and one of padding", async () => {
    expect((await readInitramfs(nul(0))).segments).toEqual([]);
    expect((await readInitramfs(nul(8))).segments).toEqual([]);
  });

  it("looks like this", async () => {
    // Without gzip: its length depends on the zlib that Node was built with.
    const bytes = join(await sample("zstd"), bootconfig("key = 1"));
    await expect(dumpInitramfs(await readInitramfs(bytes))).toMatchFileSnapshot("../golden/initramfs-sample.txt");
  });

  it("warns where the kernel would take what follows for a part of an LZ4 stream", async () => {
    const empty = Uint8Array.of(0x02, 0x21, 0x4c, 0x18);
    const { warnings } = await readInitramfs(join(empty, PLAIN));
    expect(warnings).toEqual([expect.stringContaining("Segment 1 (lz4) at offset 0x0")]);
    expect((await readInitramfs(join(empty, nul(4), PLAIN))).warnings).toEqual([]);
  });
});

describe("bootconfig", () => {
  it.each([0, 1, 2, 3])("is found with %i bytes after it", async (padding) => {
    const bytes = join(MAIN, bootconfig("kernel.quiet\n"), nul(padding));
    const initramfs = await readInitramfs(bytes);
    expect(initramfs.bootconfig?.offset).toBe(MAIN.length);
    expect(Buffer.from(initramfs.bootconfig?.text ?? "").toString()).toBe("kernel.quiet\n");
    expect(initramfs.segments).toHaveLength(1);
  });

  it.each<[string, (footer: DataView) => void, string]>([
    ["size above what is there", (footer) => footer.setUint32(0, 30000, true), "(size)"],
    ["size above the kernel's", (footer) => footer.setUint32(0, 32768, true), "(size)"],
    ["checksum", (footer) => footer.setUint32(4, 1, true), "(checksum)"],
  ])("is refused with a wrong %s", async (_, change, message) => {
    const error = await errorOf(readInitramfs(join(MAIN, bootconfig("a = 1", change))));
    expect(error.message).toContain(message);
  });
});

describe("errors", () => {
  it("names the segment and its place in the buffer", async () => {
    const zstd = await compress(MAIN, { method: "zstd" });
    zstd.fill(0, zstd.length - 20);
    const start = aligned(PLAIN);
    const error = await errorOf(readInitramfs(join(start, zstd)));
    expect(error.message).toMatch(/^initramfs: Cannot read segment 2 \(zstd\): zstd: /);
    expect(error.offset).toBeGreaterThanOrEqual(start.length);
  });

  it("points at the segment for a fault in what it unpacks to", async () => {
    const packed = await compress(join(MAIN, new Uint8Array(Buffer.from("junk"))), { method: "gzip" });
    const error = await errorOf(readInitramfs(join(PLAIN, packed)));
    expect(error.message).toContain("what segment 2 (gzip) unpacks to: cpio: ");
    expect(error.offset).toBe(PLAIN.length);
  });

  it("asks for padding where an archive starts askew", async () => {
    const error = await errorOf(readInitramfs(join(PLAIN, nul(2), PLAIN)));
    expect(error.message).toContain("must start at a multiple of 4");
    expect(error.offset).toBe(PLAIN.length + 2);
  });

  it("names the first bytes of what it does not know", async () => {
    const error = await errorOf(readInitramfs(join(PLAIN, new Uint8Array(Buffer.from("squashfs")))));
    expect(error.message).toContain("got the bytes 7371756173686673");
    expect(error.offset).toBe(PLAIN.length);
  });

  it("refuses an entry that goes on in the next segment, as the kernel does", async () => {
    const half = MAIN.length / 2;
    const parts = [MAIN.subarray(0, half), MAIN.subarray(half)].map((part) => compress(part, { method: "gzip" }));
    await errorOf(readInitramfs(join(...(await Promise.all(parts)))));
  });

  it("counts the limit over all segments", async () => {
    const packed = await compress(rawEntry({ name: "a", data: new Uint8Array(10_000) }), { method: "gzip" });
    const bytes = join(packed, packed);
    await errorOf(readInitramfs(bytes, { limitBytes: 15_000 }));
    await expect(readInitramfs(bytes, { limitBytes: 25_000 })).resolves.toBeDefined();
  });

  it("reports an initrd that was cut short, at every length", async () => {
    const bytes = await sample();
    for (let length = 1; length < bytes.length; length++) {
      const outcome = await readInitramfs(bytes.slice(0, length)).catch((reason: unknown) => reason);
      if (!(outcome instanceof FormatError)) expect(outcome).toHaveProperty("segments");
    }
  });
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { byteStringBytes, FormatError } from "../../src/bytes/index.ts";
import { parseKernelImage } from "../../src/formats/bzimage/index.ts";
import {
  parseModinfo,
  parseModule,
  readModuleSignature,
  slimModule,
  stripModuleSignature,
} from "../../src/formats/elf-module/index.ts";
import {
  fnmatch,
  parseBuiltinModinfo,
  parseKernelConfig,
  parseModulesAlias,
  parseModulesDep,
  parseModulesSoftdep,
  parseSoftdep,
} from "../../src/kernel/index.ts";
import { relocatable } from "../support/elf-samples.ts";
import { sampleBzImage, sampleModule, signSample } from "../support/kernel-samples.ts";

/** Nothing but a value or a FormatError may come out. */
function survives(parse: () => unknown): void {
  try {
    parse();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
}

/** `sample` with some bytes changed, and cut off somewhere. */
function damaged(sample: Uint8Array): fc.Arbitrary<Uint8Array> {
  const changes = fc.array(fc.tuple(fc.nat(sample.length - 1), fc.nat(255)), { maxLength: 8 });
  return fc.tuple(changes, fc.nat(sample.length)).map(([edits, cut]) => {
    const bytes = Uint8Array.from(sample);
    for (const [offset, value] of edits) bytes[offset] = value;
    return cut % 2 === 0 ? bytes : bytes.subarray(0, cut);
  });
}

test.each([
  ["module", parseModule, sampleModule(["name=a", "depends=b,c"])],
  ["signature", readModuleSignature, signSample(new Uint8Array(9), new Uint8Array(7))],
  ["kernel image", parseKernelImage, sampleBzImage()],
  ["modules.dep", parseModulesDep, byteStringBytes("a.ko: b.ko c.ko\nb.ko:\n")],
  ["modules.alias", parseModulesAlias, byteStringBytes("# c\nalias pci:v* a\n")],
  ["modules.softdep", parseModulesSoftdep, byteStringBytes("softdep a pre: b post: c\n")],
  ["modules.builtin.modinfo", parseBuiltinModinfo, byteStringBytes("a.file=x\0a.alias=y\0")],
  ["kernel config", parseKernelConfig, byteStringBytes('CONFIG_A=y\nCONFIG_B="x"\n')],
])("%s: damage gives a value or a FormatError", (_, parse, sample) => {
  fc.assert(fc.property(damaged(sample), (bytes) => survives(() => parse(bytes))));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 256 }), (bytes) => survives(() => parse(bytes))));
});

test(".modinfo entries come back as they were written", () => {
  const entry = fc.tuple(fc.stringMatching(/^[a-z_]{1,8}$/), fc.stringMatching(/^[ -~]{0,12}$/));
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 20 }), (entries) => {
      const bytes = byteStringBytes(entries.map(([key, value]) => `${key}=${value}\0`).join(""));
      expect(parseModinfo(bytes).map(({ key, value }) => [key, value])).toEqual(entries);
    }),
  );
});

test("a signature comes off without a trace, whatever is signed", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array({ minLength: 1 }), (module, signature) => {
      expect(Buffer.compare(stripModuleSignature(signSample(module, signature)), module)).toBe(0);
    }),
  );
});

test("soft dependencies come back as they were written", () => {
  const names = fc.array(fc.stringMatching(/^[a-z-]{1,8}$/), { maxLength: 5 });
  fc.assert(
    fc.property(names, names, (pre, post) => {
      expect(parseSoftdep(`pre: ${pre.join(" ")} post: ${post.join(" ")}`)).toEqual({ pre, post });
    }),
  );
});

test("patterns of * and ? match as the regular expression does", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[ab*?]{0,8}$/), fc.stringMatching(/^[ab]{0,10}$/), (pattern, text) => {
      const expression = new RegExp(`^${pattern.replaceAll("*", ".*").replaceAll("?", ".")}$`);
      expect(fnmatch(pattern, text)).toBe(expression.test(text));
    }),
  );
});

const RELOCATABLE = relocatable(
  [
    { name: ".text", relocations: [".text", "printk", "used"] },
    { name: ".comment" },
    { name: "__mcount_loc", describes: ".text", relocations: [".text"] },
  ],
  [
    { name: ".text", section: ".text" },
    { name: "used", section: ".text" },
    { name: "unused", section: ".text" },
    { name: "exported", section: ".text", isGlobal: true },
    { name: "printk", isGlobal: true },
  ],
);

/** Smaller, or as it was and a reason; whatever comes out can be made smaller again. */
function slimsOrSaysWhy(bytes: Uint8Array): void {
  const { content, untouched } = slimModule(bytes);
  if (untouched === undefined) {
    expect(content.length).toBeLessThanOrEqual(bytes.length);
    expect(slimModule(content).untouched).toBeUndefined();
  } else {
    expect(content).toBe(bytes);
  }
}

test("a damaged module becomes smaller or stays as it is", () => {
  fc.assert(fc.property(damaged(RELOCATABLE), slimsOrSaysWhy), { numRuns: 2000 });
  for (let offset = 0; offset < RELOCATABLE.length; offset++) {
    for (const change of [0x01, 0x80, 0xff]) {
      const bytes = Uint8Array.from(RELOCATABLE);
      bytes[offset] = (bytes[offset] ?? 0) ^ change;
      slimsOrSaysWhy(bytes);
    }
    slimsOrSaysWhy(RELOCATABLE.subarray(0, offset));
  }
});

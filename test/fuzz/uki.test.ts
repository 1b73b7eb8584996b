import fc from "fast-check";
import { expect, test } from "vitest";
import { FormatError, MemorySource, UsageError } from "../../src/bytes/index.ts";
import { enrollInStore, readVariables } from "../../src/formats/efi-variables/index.ts";
import {
  AUTHENTICATED_STORE,
  FirmwareVolumeHeader,
  STORE_FORMATTED,
  STORE_HEALTHY,
  VariableStoreHeader,
} from "../../src/formats/efi-variables/layout.ts";
import { changeSections, readPe, sectionSource, withSignatures } from "../../src/formats/pe/index.ts";
import { checkProgramSignatures, createKeys, keySigner, parseCertificates, signProgram } from "../../src/keys/index.ts";
import { assembleUki, readProfiles } from "../../src/uki/index.ts";
import { sampleEfiKernel, sampleStub, text } from "../support/pe-samples.ts";

const NOW = new Date("2026-06-01T12:00:00Z");
const files = new Map(createKeys({ bits: 2048, now: NOW, validDays: 1 }).map(({ name, content }) => [name, content]));
const file = (name: string): Uint8Array => files.get(name) ?? new Uint8Array();
const signer = keySigner({ key: file("db.key") }, file("db.crt"), NOW);
const stub = sampleStub();
const profiles = [{ id: "rescue", title: "Rescue", sections: { commandLine: "rescue" } }];
const uki = assembleUki({ stub, sections: { kernel: sampleEfiKernel(), commandLine: "quiet" }, profiles });
const signed = signProgram(uki, signer);

/** Everything that looks at a program; all that may come out of it is an answer or a refusal. */
function useProgram(program: Uint8Array): void {
  const attempts = [
    () => checkProgramSignatures(program),
    () => withSignatures(program, [text("signature")]),
    () => changeSections(program, { add: [{ name: ".new", content: text("new"), kind: "data" }] }),
    () => assembleUki({ stub: program, sections: { kernel: sampleEfiKernel() } }),
    () => assembleUki({ stub, sections: { kernel: program } }),
    () => readProfiles(program, readPe(new MemorySource(program))),
  ];
  for (const attempt of attempts) onlyRefusals(attempt);
}

function onlyRefusals(attempt: () => unknown): void {
  try {
    attempt();
  } catch (error) {
    if (!(error instanceof FormatError) && !(error instanceof UsageError)) throw error;
  }
}

test("programs cut off anywhere in their headers, or at any 97th byte", () => {
  for (let length = 0; length < signed.length; length += length < 1100 ? 1 : 97) useProgram(signed.subarray(0, length));
});

test("programs with changed bytes", () => {
  const byte = fc.record({ at: fc.nat(signed.length - 1), value: fc.nat(255) });
  const inHeader = fc.record({ at: fc.nat(1023), value: fc.nat(255) });
  const inSignature = fc.record({ at: fc.integer({ min: uki.length, max: signed.length - 1 }), value: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(fc.oneof(byte, inHeader, inSignature), { minLength: 1, maxLength: 8 }), (changes) => {
      const copy = Uint8Array.from(signed);
      for (const { at, value } of changes) copy[at] = value;
      useProgram(copy);
    }),
    { numRuns: 300 },
  );
});

test("no byte of a signed program can be changed unnoticed", () => {
  const checksum = readPe(new MemorySource(signed)).offsets.checksum;
  const isChecksum = (at: number): boolean => at >= checksum && at < checksum + 4;
  fc.assert(
    fc.property(fc.nat(uki.length - 1), fc.integer({ min: 1, max: 255 }), (at, difference) => {
      fc.pre(!isChecksum(at));
      const copy = Uint8Array.from(signed);
      copy[at] = (copy[at] ?? 0) ^ difference;
      const isSound = (): boolean => {
        try {
          return checkProgramSignatures(copy).some(({ fault }) => fault === undefined);
        } catch (error) {
          if (error instanceof FormatError) return false;
          throw error;
        }
      };
      expect(isSound()).toBe(false);
    }),
    { numRuns: 300 },
  );
});

test("sections come back as they were added", () => {
  const section = fc.record({
    name: fc.stringMatching(/^\.[a-z]{1,7}$/),
    content: fc.uint8Array({ maxLength: 3000 }),
    kind: fc.constantFrom("code" as const, "data" as const),
  });
  fc.assert(
    fc.property(fc.array(section, { maxLength: 60 }), (add) => {
      const program = changeSections(stub, { add });
      const source = new MemorySource(program);
      const image = readPe(source);
      const found = image.sections.slice(-add.length || image.sections.length);
      expect(found.map(({ name }) => name)).toEqual(add.map(({ name }) => name));
      expect(found.map((each) => [...sectionSource(source, each).read(0, each.virtualSize)])).toEqual(
        add.map(({ content }) => [...content]),
      );
      expect(image.sizeOfImage % image.sectionAlignment).toBe(0);
      expect(program.length % image.fileAlignment).toBe(0);
    }),
    { numRuns: 50 },
  );
});

test("certificates that are none", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => onlyRefusals(() => parseCertificates(bytes))));
  const [{ der }] = parseCertificates(file("db.crt"));
  for (let length = 0; length < der.length; length++) onlyRefusals(() => parseCertificates(der.subarray(0, length)));
});

test("stores of variables with changed bytes", () => {
  const empty = new Uint8Array(2048).fill(0xff);
  empty.set(FirmwareVolumeHeader.encode({ FvLength: 2048n, Signature: "_FVH", HeaderLength: 72 }));
  const header = { Signature: AUTHENTICATED_STORE, Size: 1500, Format: STORE_FORMATTED, State: STORE_HEALTHY };
  empty.set(VariableStoreHeader.encode(header), 72);
  const flash = enrollInStore(empty, { db: new Uint8Array(100), PK: new Uint8Array(30) }, NOW);
  fc.assert(
    fc.property(fc.nat(400), fc.nat(255), fc.nat(2048), (at, value, length) => {
      const copy = Uint8Array.from(flash);
      copy[at] = value;
      onlyRefusals(() => readVariables(copy));
      onlyRefusals(() => readVariables(copy.subarray(0, length)));
    }),
  );
});

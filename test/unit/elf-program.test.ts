import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { FormatError } from "../../src/bytes/index.ts";
import { Elf64Header, EM_X86_64 } from "../../src/formats/elf-module/index.ts";
import { Elf64ProgramHeader, parseProgram } from "../../src/formats/elf-program/index.ts";
import { sampleProgram } from "../support/elf-samples.ts";

test("structs have the sizes of the C structs", () => {
  expect(Elf64ProgramHeader.size).toBe(56);
});

test("a program is static unless it names a dynamic linker", () => {
  expect(parseProgram(sampleProgram())).toEqual({ machine: EM_X86_64, isStatic: true });
  expect(parseProgram(sampleProgram({ types: [6, 3, 1] }))).toEqual({ machine: EM_X86_64, isStatic: false });
});

test("programs of this machine: Node is linked dynamically, the first stage statically", () => {
  expect(parseProgram(readFileSync(process.execPath).subarray(0, 1 << 16)).isStatic).toBe(false);
  const firstStage = fileURLToPath(new URL("../../dist/first-stage/init-x86_64", import.meta.url));
  expect(parseProgram(readFileSync(firstStage)).isStatic).toBe(true);
});

test.each([
  ["a script", Buffer.from("#!/bin/sh\n".padEnd(100))],
  ["a module", sampleProgram({ header: { e_type: 1 } })],
  ["a program without program headers", sampleProgram({ header: { e_phnum: 0 } })],
  ["a program with program headers of another size", sampleProgram({ header: { e_phentsize: 32 } })],
  ["a program whose headers are elsewhere", sampleProgram({ header: { e_phoff: 1n << 40n } })],
])("%s is refused", (_, bytes) => {
  expect(() => parseProgram(bytes)).toThrow(FormatError);
});

test("a program that is cut off anywhere is refused", () => {
  const program = sampleProgram();
  for (let length = 0; length < program.length; length++) {
    expect(() => parseProgram(program.subarray(0, length)), `${length}`).toThrow(FormatError);
  }
  expect(Elf64Header.size).toBeLessThan(program.length);
});

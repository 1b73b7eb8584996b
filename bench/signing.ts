// npm run bench:signing: what signatures cost: a unified kernel image to make, modules to sign, and a first stage under
// Secure Boot whose modules keep their signatures, get new ones, or have none.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { readGeneration } from "../src/build/index.ts";
import { enrollInStore } from "../src/formats/efi-variables/index.ts";
import { stripModuleSignature } from "../src/formats/elf-module/index.ts";
import { createKeys, keySigner, type Signer, signModule, signProgram } from "../src/keys/index.ts";
import { assembleUki } from "../src/uki/index.ts";
import { findOvmf, runMachine } from "../src/vm/index.ts";
import { encodeArchive } from "../test/support/build-inputs.ts";
import { kernelFixture } from "../test/support/fixtures.ts";
import { smallInitrd } from "../test/support/vm-programs.ts";
import { LAZYRD, table } from "./shared.ts";

const RUNS = 5;
const MB = 1e6;
const STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
const RESULTS = fileURLToPath(new URL("./results/signing.json", import.meta.url));
const OS_RELEASE = Buffer.from("ID=lazyrd\nVERSION_ID=1\nPRETTY_NAME=lazyrd\n");
/** Of a kernel with its first stage, what the goal of half a second is for. */
const FIRST_STAGE_BYTES = 1 << 20;
const MODULES = 1000;

interface Key {
  readonly bits: number;
  readonly signer: Signer;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

function newKey(bits: number): Key {
  const created = createKeys({ bits, now: new Date(), validDays: 1 });
  const files = new Map(created.map(({ name, content }) => [name, content]));
  const file = (name: string): Uint8Array => files.get(name) ?? new Uint8Array();
  return { bits, files, signer: keySigner({ key: file("db.key") }, file("db.crt"), new Date()) };
}

/** The least of several runs: other work of this machine can only add to it. */
async function leastMs(work: () => unknown): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return Math.min(...times);
}

async function benchUki({ bits, signer }: Key) {
  const kernel = readFileSync(kernelFixture("6.1-cloud-amd64").vmlinuz);
  const initrd = new Uint8Array(FIRST_STAGE_BYTES).fill(1);
  const stub = readFileSync(STUB);
  const sections = { kernel, initrd, osRelease: OS_RELEASE, commandLine: "quiet" };
  const ms = await leastMs(() => signProgram(assembleUki({ stub, sections }), signer));
  return { bits, kernelBytes: kernel.length, ms };
}

async function benchModules({ bits, signer }: Key) {
  const module = stripModuleSignature(readFileSync(join(kernelFixture("6.1-amd64").modules, "kernel/fs/fat/vfat.ko")));
  // Each of its own, as far as a signer can tell.
  const modules = Array.from({ length: MODULES }, (_, index) => Buffer.concat([module, Buffer.from(String(index))]));
  const ms = await leastMs(() => Promise.all(modules.map((each) => signModule(each, signer))));
  return { bits, modules: MODULES, bytes: MODULES * module.length, ms };
}

const VARIANTS = [
  { signatures: "keep", secureBoot: true },
  { signatures: "resign", secureBoot: true },
  { signatures: "keep", secureBoot: false },
  { signatures: "strip", secureBoot: false },
] as const;

async function benchBoot(
  { files, signer }: Key,
  { signatures, secureBoot }: (typeof VARIANTS)[number],
  folder: string,
) {
  const path = (name: string): string => join(folder, name);
  const kernel = kernelFixture("6.12-amd64");
  for (const name of ["db.key", "db.crt"]) writeFileSync(path(name), files.get(name) ?? "");
  writeFileSync(path("initrd"), encodeArchive(smallInitrd()));
  const key = `key = "${path("db.key")}"\ncertificate = "${path("db.crt")}"\n`;
  writeFileSync(path("lazyrd.toml"), `[modules]\nsignatures = "${signatures}"\n${signatures === "resign" ? key : ""}`);
  const inputs = ["-k", kernel.vmlinuz, "-m", kernel.modules, "-i", path("initrd"), "-c", path("lazyrd.toml")];
  const argv = [LAZYRD, "build", "--quiet", ...inputs, "--drivers", "virtio", "-o", path("built")];
  const { status, stderr } = spawnSync(process.execPath, argv, { encoding: "utf8" });
  if (status !== 0) throw new Error(`lazyrd build: ${stderr}`);
  const built = readGeneration(path("built"));
  const sections = {
    kernel: readFileSync(built.path("kernel")),
    initrd: readFileSync(built.path("firstStage")),
    osRelease: OS_RELEASE,
    commandLine: `console=ttyS0 loglevel=7${secureBoot ? " lockdown=integrity module.sig_enforce=1" : ""}`,
  };
  mkdirSync(path("esp/EFI/BOOT"), { recursive: true });
  writeFileSync(
    path("esp/EFI/BOOT/BOOTX64.EFI"),
    signProgram(assembleUki({ stub: readFileSync(STUB), sections }), signer),
  );
  const store = readFileSync(findOvmf().variables);
  const list = (name: string): Uint8Array => files.get(`${name}.esl`) ?? new Uint8Array();
  const lists = { PK: list("PK"), KEK: list("KEK"), db: list("db") };
  writeFileSync(path("variables"), secureBoot ? enrollInStore(store, lists, new Date()) : store);
  let firstStageMs = Number.NaN;
  await runMachine(
    {
      firmware: { code: findOvmf().code, variables: path("variables") },
      disks: [
        { path: `fat:${path("esp")}`, bus: "virtio-blk", readOnly: true },
        { path: built.path("image"), bus: "virtio-blk", readOnly: true },
      ],
      memoryMib: 1024,
      cpus: 1,
      cpuModel: "Nehalem",
      countInstructions: true,
      serialFiles: [],
    },
    {
      until: ({ text }) => /lazyrd: (?:FAILED|switch)/.test(text),
      timeoutSeconds: 600,
      onLine: ({ text }) => {
        firstStageMs = Number(/lazyrd: switch to \S+ after ([\d.]+) ms/.exec(text)?.[1] ?? firstStageMs);
      },
    },
  );
  return { signatures, secureBoot, firstStageMs, firstStageBytes: sections.initrd.length };
}

function show(title: string, rows: readonly (readonly string[])[]): void {
  process.stdout.write(`\n${title}\n${table(rows.map((row) => [...row]))}`);
}

async function main(): Promise<void> {
  const keys = [newKey(2048), newKey(4096)];
  const [key] = keys;
  if (key === undefined) throw new RangeError("There is no key");
  const ukis = [];
  const modules = [];
  for (const each of keys) {
    ukis.push(await benchUki(each));
    modules.push(await benchModules(each));
  }
  show("Assembling and signing a unified kernel image, with Authenticode digest", [
    ["RSA bits", "kernel MB", "ms"],
    ...ukis.map(({ bits, kernelBytes, ms }) => [String(bits), (kernelBytes / MB).toFixed(1), ms.toFixed(0)]),
  ]);
  show("Signing modules", [
    ["RSA bits", "modules", "MB", "ms"],
    ...modules.map((row) => [String(row.bits), String(row.modules), (row.bytes / MB).toFixed(1), row.ms.toFixed(0)]),
  ]);
  const boots = [];
  for (const variant of VARIANTS) {
    const folder = mkdtempSync(join(tmpdir(), "lazyrd-bench-"));
    try {
      boots.push(await benchBoot(key, variant, folder));
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  show("First stage of a virtio machine, ten modules, started by firmware: guest time, 1 ns an instruction", [
    ["modules.signatures", "Secure Boot", "ms", "first stage kB"],
    ...boots.map((row) => [
      row.signatures,
      row.secureBoot ? "on" : "off",
      row.firstStageMs.toFixed(0),
      (row.firstStageBytes / 1000).toFixed(0),
    ]),
  ]);
  if (!process.argv.includes("--save")) return;
  const results = { ukis, modules, boots };
  const content = { command: "npm run bench:signing -- --save", results };
  writeFileSync(RESULTS, `${JSON.stringify(content, undefined, 2)}\n`);
}

await main();

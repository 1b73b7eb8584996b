// Builds what a checkout needs to run: the first stage (init/ to dist/first-stage) and the programs (dist/*.js).
// A part is built again only when one of its inputs is newer than its outputs.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { mergeDataSegments } from "./merge-data-segments.mjs";
import { unpackZstd, withUnpackedZstd } from "./unpacked-zstd.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const inRoot = (...parts) => join(ROOT, ...parts);

const MUSL_GCC = "musl-gcc";
const C_FLAGS = [
  "-std=gnu11",
  "-Os",
  "-static",
  "-s",
  // wasm2c's output is not written to be warned about; ours is compiled with all warnings, as errors.
  "-DNDEBUG",
  // Bounds are checked by comparing, not by catching a signal: a PID 1 has no business handling SIGSEGV.
  "-DWASM_RT_MEMCHECK_SIGNAL_HANDLER=0",
  "-fno-asynchronous-unwind-tables",
  "-ffunction-sections",
  "-fdata-sections",
  "-Wl,--gc-sections",
  "-Wl,--build-id=none",
  // One program at a time: a fifth of its size.
  "-flto",
  "-flto-partition=one",
  // Code, constants and headers share pages, instead of each beginning on one of its own.
  "-Wl,-z,noseparate-code",
  // Nothing is relocated in a static program.
  "-Wl,-z,norelro",
  // wasm-rt.h lies among the system's headers, behind those of musl.
  "-idirafter",
  "/usr/include",
];

function newest(path) {
  const status = statSync(path);
  if (!status.isDirectory()) return status.mtimeMs;
  return Math.max(status.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function outdated(outputs, inputs) {
  if (!outputs.every((output) => existsSync(output))) return true;
  const oldest = Math.min(...outputs.map((output) => statSync(output).mtimeMs));
  return inputs.some((input) => newest(input) > oldest);
}

function run(program, args) {
  try {
    execFileSync(program, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    if (error.code === "ENOENT") console.error(`${program} is not installed: run scripts/setup.sh`);
    else console.error(`${program} ${args.join(" ")}\n${error.stderr ?? ""}${error.stdout ?? error}`);
    process.exit(1);
  }
}

/**
 * The first stage is built twice from the same sources: a boot from a disk has no use for 33 kB of network code in its
 * PID 1. `NETWORK` is a constant there, so that the compiler leaves out what it rules out.
 */
const FIRST_STAGES = [
  { name: "init", network: 0 },
  { name: "init-network", network: 1 },
];

function buildFirstStages() {
  const output = inRoot("dist", "first-stage");
  const inputs = ["assembly", "shim", "asconfig.json"].map((name) => inRoot("init", name));
  const scripts = ["build.mjs", "merge-data-segments.mjs"].map((name) => inRoot("scripts", name));
  for (const { name, network } of FIRST_STAGES) {
    const outputs = [join(output, `${name}-x86_64`), join(output, `${name}.wasm`)];
    if (!outdated(outputs, [...inputs, ...scripts])) continue;
    console.error(network ? "Building the first stage with network" : "Building the first stage");
    mkdirSync(output, { recursive: true });
    buildFirstStage(network, ...outputs);
  }
}

function buildFirstStage(network, programOutput, moduleOutput) {
  const build = inRoot("init", "build", network ? "network" : "local");
  mkdirSync(build, { recursive: true });
  const module = join(build, "init.wasm");
  run(inRoot("node_modules", ".bin", "asc"), [
    ...["--config", inRoot("init", "asconfig.json"), "--baseDir", inRoot("init")],
    ...["--use", `NETWORK=${network}`, "--outFile", module, "--textFile", join(build, "init.wat")],
  ]);
  writeFileSync(module, mergeDataSegments(readFileSync(module)));
  run("wasm2c", [module, "-o", join(build, "init.c")]);
  const objects = [
    { source: join(build, "init.c"), warnings: ["-w"] },
    { source: inRoot("init", "shim", "runtime.c"), warnings: ["-Wall", "-Wextra", "-Werror"] },
    { source: inRoot("init", "shim", "syscalls.c"), warnings: ["-Wall", "-Wextra", "-Werror"] },
  ].map(({ source, warnings }, index) => {
    const object = join(build, `part${index}.o`);
    run(MUSL_GCC, ["-c", ...C_FLAGS, ...warnings, `-I${build}`, "-o", object, source]);
    return object;
  });
  run(MUSL_GCC, [...C_FLAGS, "-o", join(build, "init"), ...objects]);
  copyFileSync(module, moduleOutput);
  copyFileSync(join(build, "init"), programOutput);
}

function buildCodec() {
  const build = inRoot("codec", "build");
  const output = inRoot("dist", "codec", "lz4.wasm");
  const inputs = ["assembly", "asconfig.json"].map((name) => inRoot("codec", name));
  if (!outdated([output], [...inputs, inRoot("scripts", "build.mjs")])) return;
  console.error("Building the codec");
  mkdirSync(build, { recursive: true });
  mkdirSync(inRoot("dist", "codec"), { recursive: true });
  run(inRoot("node_modules", ".bin", "asc"), [
    "--config",
    inRoot("codec", "asconfig.json"),
    "--baseDir",
    inRoot("codec"),
  ]);
  copyFileSync(join(build, "lz4.wasm"), output);
}

// Some libraries are CommonJS and call require, which an ES module does not have by itself.
const REQUIRE =
  "import { createRequire as lazyrdCreateRequire } from 'node:module'; const require = lazyrdCreateRequire(import.meta.url);";

/** What only some commands or jobs use stands in files of its own that are loaded when needed. */
const CHUNKS = "chunks";

/** Threads start from a file, and each of them reads all that it imports: what only the program needs is not for them. */
const PROGRAMS = {
  lazyrd: ["src", "cli", "main.ts"],
  worker: ["src", "build", "threads", "worker.ts"],
};

const ZSTD = "dist/codec/zstd.wasm";

async function buildPrograms() {
  const outputs = [...Object.keys(PROGRAMS).map((name) => inRoot("dist", `${name}.js`)), inRoot(ZSTD)];
  if (!outdated(outputs, [inRoot("src"), inRoot("package.json"), inRoot("scripts")])) return;
  await unpackZstd(inRoot(ZSTD));
  const written = await Promise.all(Object.entries(PROGRAMS).map(([name, path]) => bundle(name, inRoot(...path))));
  for (const name of readdirSync(inRoot("dist", CHUNKS))) {
    const chunk = inRoot("dist", CHUNKS, name);
    if (!written.flat().includes(chunk)) rmSync(chunk);
  }
  console.error("Built the programs");
  chmodSync(outputs[0], 0o755);
}

/** Returns the files that were written. */
async function bundle(name, entryPoint) {
  const packageFiles = JSON.stringify(inRoot("src", "host", "package-files.ts"));
  const { metafile } = await esbuild.build({
    entryPoints: { [name]: entryPoint },
    plugins: [
      withUnpackedZstd({
        imports: `import { readFileSync } from "node:fs"; import { packageFile } from ${packageFiles};`,
        module: `readFileSync(packageFile(${JSON.stringify(ZSTD)}))`,
      }),
    ],
    bundle: true,
    minifyWhitespace: true,
    minifySyntax: true,
    splitting: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "warning",
    banner: { js: REQUIRE },
    outdir: inRoot("dist"),
    chunkNames: `${CHUNKS}/[name]-[hash]`,
    absWorkingDir: ROOT,
    metafile: true,
  });
  return Object.keys(metafile.outputs).map((path) => inRoot(path));
}

buildFirstStages();
buildCodec();
await buildPrograms();

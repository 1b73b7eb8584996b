import { FormatError } from "../../../src/bytes/index.ts";
import type { Argument, SystemCall } from "./call.ts";
import { type End, Ended } from "./ends.ts";
import { ERRNO, KernelFault } from "./errno.ts";
import { type Call, type Fault, FaultInjector } from "./faults.ts";
import { type KernelOptions, SimulatedKernel } from "./kernel.ts";
import { systemCalls } from "./system-calls.ts";
import { UserMemory } from "./user-memory.ts";

/** What passes between two system calls. */
const TICK_NS = 50_000;
/** A boot makes a few hundred. */
const DEFAULT_CALL_LIMIT = 200_000;

/** A machine that is started once. */
export interface BootOptions extends KernelOptions {
  /** Brings the machine's hardware into being: before the first stage starts, and by the clock. */
  readonly hardware?: (kernel: SimulatedKernel) => void;
  readonly faults?: readonly Fault[];
  readonly callLimit?: number;
}

/** What came of it. */
export interface Boot {
  readonly end: End;
  readonly calls: readonly Call[];
  readonly kernel: SimulatedKernel;
  /** How long the first stage ran. */
  readonly durationMs: number;
}

const NANOSECONDS_IN_MS = 1_000_000;

/** Runs the first stage until it ends. */
export function boot(program: WebAssembly.Module, options: BootOptions): Boot {
  const kernel = new SimulatedKernel(options);
  options.hardware?.(kernel);
  const injector = new FaultInjector();
  for (const fault of options.faults ?? []) injector.fail(fault);
  const start = kernel.clock.now;
  const calls: Call[] = [];
  const end = run(program, kernel, injector, calls, options.callLimit ?? DEFAULT_CALL_LIMIT);
  return { end, calls, kernel, durationMs: (kernel.clock.now - start) / NANOSECONDS_IN_MS };
}

function run(
  program: WebAssembly.Module,
  kernel: SimulatedKernel,
  injector: FaultInjector,
  calls: Call[],
  callLimit: number,
): End {
  const begin = (): number => {
    const index = calls.length;
    if (index >= callLimit) throw new Ended({ kind: "hang", calls: index });
    kernel.clock.advance(TICK_NS);
    return index;
  };
  let memory: UserMemory;
  const imports = Object.fromEntries(
    Object.entries(systemCalls(kernel)).map(([name, systemCall]) => {
      const enter = (...words: (number | bigint)[]): number => {
        const index = begin();
        const args = decode(systemCall, words, memory);
        const call = {
          index,
          name,
          at: kernel.clock.now,
          args: args.map((arg) => (arg instanceof Uint8Array ? arg.length : arg)),
        };
        const result =
          injector.resultOf(call) ?? answer(systemCall, args, (ended) => calls.push({ ...call, ...ended }));
        calls.push({ ...call, result });
        return result;
      };
      return [name, enter];
    }),
  );
  const clock = (): bigint => {
    const index = begin();
    calls.push({ index, name: "clock", at: kernel.clock.now, args: [], result: 0 });
    return BigInt(kernel.clock.now);
  };
  const instance = new WebAssembly.Instance(program, { kernel: { ...imports, clock } });
  memory = new UserMemory(instance.exports["memory"] as WebAssembly.Memory);
  try {
    (instance.exports["run"] as () => void)();
    return { kind: "panic", reason: "PID 1 ended" };
  } catch (error) {
    if (error instanceof Ended) return error.end;
    if (error instanceof WebAssembly.RuntimeError) return { kind: "trap", reason: error.message };
    throw error;
  }
}

type Decoded = readonly Argument[keyof Argument][];

function decode({ signature }: SystemCall, words: readonly (number | bigint)[], memory: UserMemory): Decoded {
  let next = 0;
  const word = () => Number(words[next++]);
  return signature.map((kind) => {
    if (kind === "long") return BigInt(words[next++] ?? 0);
    if (kind === "text") return memory.text(word());
    return kind === "buffer" ? memory.bytes(word(), word()) : word();
  });
}

function answer(systemCall: SystemCall, args: Decoded, onEnd: (call: { result: number }) => void): number {
  try {
    return systemCall.run(args);
  } catch (error) {
    if (error instanceof KernelFault) return -ERRNO[error.errno];
    // Data on a disk that is not what it should be: the device or file system driver says so.
    if (error instanceof FormatError) return -ERRNO.EIO;
    if (error instanceof Ended) onEnd({ result: 0 });
    throw error;
  }
}

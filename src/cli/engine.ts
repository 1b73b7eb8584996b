import { setFlagsFromString } from "node:v8";

/**
 * How much JavaScript a function runs before it is optimised, in bytes of bytecode (seven times V8's default). A command
 * that takes a second would spend a tenth of its processors' time on optimising what it hardly uses any more. What takes
 * long is WebAssembly, which this does not concern, or runs long enough to get there all the same.
 */
const OPTIMISE_AFTER_BYTES = 1_000_000;

setFlagsFromString(`--interrupt-budget=${OPTIMISE_AFTER_BYTES}`);

// The heap is small: what several threads would collect of it together takes longer to hand out than to collect, and
// they are taken away from the work.
setFlagsFromString("--no-parallel-scavenge");

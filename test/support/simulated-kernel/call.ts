/** What a call takes: a number, a path or other text, a buffer (address and length), a 64-bit number. */
export interface Argument {
  readonly number: number;
  readonly text: string;
  readonly buffer: Uint8Array;
  readonly long: bigint;
}
type Signature = readonly (keyof Argument)[];

/** A system call: what it takes and what it does. Returns the result. */
export interface SystemCall {
  readonly signature: Signature;
  run(args: readonly Argument[keyof Argument][]): number;
}

export function call<const S extends Signature>(
  signature: S,
  run: (...args: { [K in keyof S]: Argument[S[K]] }) => number,
): SystemCall {
  return { signature, run: (args) => run(...(args as never)) };
}

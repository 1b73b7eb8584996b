/** How a run of the first stage ended. */
export type End =
  /** It became another program. */
  | { readonly kind: "exec"; readonly path: string /** Without the kernel's arguments. */; readonly isAlone?: true }
  /** A child process gave up. */
  | { readonly kind: "exit"; readonly status: number }
  | { readonly kind: "reboot" }
  | { readonly kind: "poweroff" }
  /** PID 1 returned, or dm-verity met corruption that it was told to answer so. */
  | { readonly kind: "panic"; readonly reason: string }
  /** WebAssembly stopped the program: an access outside of its memory, or an assertion of its own. */
  | { readonly kind: "trap"; readonly reason: string }
  /** More system calls than any boot needs. */
  | { readonly kind: "hang"; readonly calls: number };

/** Thrown through the program to end it. */
export class Ended extends Error {
  override readonly name = "Ended";
  readonly end: End;

  constructor(end: End) {
    super(end.kind);
    this.end = end;
  }
}

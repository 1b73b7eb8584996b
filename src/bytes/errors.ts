/**
 * Data that does not have the form it should have: a damaged file, a foreign format, an unknown feature.
 * The message is one line in plain words; `format`, `offset` and `field` say where.
 */
export class FormatError extends Error {
  override readonly name = "FormatError";
  /** The format that was being read, for instance "cpio" or "erofs". */
  readonly format: string;
  /** Byte offset of the fault in the input, if there is one place to point at. */
  readonly offset: number | undefined;
  /** The field as the specification names it. */
  readonly field: string | undefined;

  constructor(
    message: string,
    where: { format: string; offset?: number | undefined; field?: string | undefined; cause?: unknown },
  ) {
    super(describe(message, where), where.cause === undefined ? undefined : { cause: where.cause });
    this.format = where.format;
    this.offset = where.offset;
    this.field = where.field;
  }
}

/** A program that lazyrd called did not do what it was called for. */
export class ToolError extends Error {
  override readonly name = "ToolError";
  readonly argv: readonly string[];
  /** Exit status, or null when a signal ended the program or it could not be started. */
  readonly exitCode: number | null;
  readonly stderr: string;

  constructor(
    message: string,
    run: { argv: readonly string[]; exitCode: number | null; stderr: string; cause?: unknown },
  ) {
    super(message, run.cause === undefined ? undefined : { cause: run.cause });
    this.argv = run.argv;
    this.exitCode = run.exitCode;
    this.stderr = run.stderr;
  }
}

/** Something that the person who called lazyrd can put right; `hint` says how. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly hint: string | undefined;

  constructor(message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.hint = options.hint;
  }
}

function describe(
  message: string,
  where: { format: string; offset?: number | undefined; field?: string | undefined },
): string {
  const at = where.offset === undefined ? "" : ` at offset 0x${where.offset.toString(16)}`;
  const field = where.field === undefined ? "" : ` (${where.field})`;
  return `${where.format}: ${message}${field}${at}`;
}

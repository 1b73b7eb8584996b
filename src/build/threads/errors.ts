import { FormatError, UsageError } from "../../bytes/index.ts";

/** An error on its way between threads, with what cloning it would lose. */
export interface SentError {
  readonly kind: "format" | "usage" | "other";
  readonly message: string;
  readonly stack: string | undefined;
  /** What a FormatError, a UsageError or an error of the operating system has besides. */
  readonly details: Readonly<Record<string, unknown>>;
}

const DETAILS = ["format", "offset", "field", "hint", "code", "errno", "syscall", "path"] as const;

export function packError(error: unknown): SentError {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const own = error as Readonly<Record<string, unknown>>;
  const details = Object.fromEntries(
    DETAILS.filter((name) => own[name] !== undefined).map((name) => [name, own[name]]),
  );
  const kind = error instanceof FormatError ? "format" : error instanceof UsageError ? "usage" : "other";
  return { kind, message, stack, details };
}

export function unpackError({ kind, message, stack, details }: SentError): Error {
  const error = emptyError(kind);
  // As it was made there, with the place that its constructor has put behind it.
  error.message = message;
  if (stack !== undefined) error.stack = stack;
  return Object.assign(error, details);
}

function emptyError(kind: SentError["kind"]): Error {
  if (kind === "format") return new FormatError("", { format: "" });
  return kind === "usage" ? new UsageError("") : new Error();
}

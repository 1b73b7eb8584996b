/** What ends a program from outside: Ctrl-C, kill, a terminal that is closed. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Has `cleanUp` done when a signal ends the program; returns what undoes that. The program then ends by that same
 * signal, so that a shell sees why. Signals are noticed between two tasks of the event loop (see `nextTurn`), not
 * within one.
 */
export function onInterrupt(cleanUp: () => void): () => void {
  const handlers = SIGNALS.map((signal) => {
    const handler = (): void => {
      stop();
      try {
        cleanUp();
      } finally {
        process.kill(process.pid, signal);
      }
    };
    process.once(signal, handler);
    return { signal, handler };
  });
  const stop = (): void => {
    for (const { signal, handler } of handlers) process.removeListener(signal, handler);
  };
  return stop;
}

/** Lets the event loop see what came from outside: signals, above all. */
export async function nextTurn(): Promise<void> {
  // The loop looks for events before it runs immediates. Two, as this one may be run right behind such a look.
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
}

import { existsSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** What QEMU tells of its own accord: that a device has gone, or why the machine stopped. */
export interface MonitorEvent {
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

interface Reply {
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

const CONNECT_PAUSE_MS = 50;

/** QEMU's monitor, over the socket that a machine names (QMP: one JSON value a line). */
export class Monitor {
  readonly events: MonitorEvent[] = [];
  readonly #socket: Socket;
  readonly #replies: ((reply: Reply) => void)[] = [];
  readonly #closed: Promise<void>;
  #pending = "";

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("utf8").on("data", (text: string) => this.#receive(text));
    // A machine that ends takes its monitor along, which is no fault: whoever waits for a reply then hears of it.
    this.#closed = new Promise((resolve) => socket.once("close", () => resolve()).once("error", () => resolve()));
  }

  /** Connects as soon as QEMU listens; gives up when `ended` says that it never will. */
  static async connect(path: string, ended: () => boolean): Promise<Monitor | undefined> {
    while (!existsSync(path)) {
      if (ended()) return undefined;
      await delay(CONNECT_PAUSE_MS);
    }
    const socket = createConnection(path);
    const connected = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    if (!connected) return undefined;
    const monitor = new Monitor(socket);
    return (await monitor.tryExecute("qmp_capabilities")) ? monitor : undefined;
  }

  async execute(command: string, given: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const reply = await this.#send(command, given);
    if (reply.error !== undefined) throw new Error(`QEMU's monitor, ${command}: ${reply.error.desc}`);
    return reply.return;
  }

  /** Like `execute`, without the answer: false when QEMU has ended or does not know the command. */
  async tryExecute(command: string, given: Readonly<Record<string, unknown>> = {}): Promise<boolean> {
    return "return" in (await this.#send(command, given));
  }

  /** Resolves when QEMU has ended and every event of it was read. */
  closed(): Promise<void> {
    return this.#closed;
  }

  /** Why the machine stopped: "guest-shutdown" for a power-off, "guest-reset" for a reboot. */
  reasonOfEnd(): unknown {
    return this.events.findLast(({ event }) => event === "SHUTDOWN")?.data?.["reason"];
  }

  async #send(command: string, given: Readonly<Record<string, unknown>>): Promise<Reply> {
    const replied = new Promise<Reply>((resolve) => this.#replies.push(resolve));
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: given })}\n`);
    const gone = this.#closed.then((): Reply => ({ error: { desc: "QEMU has ended" } }));
    return Promise.race([replied, gone]);
  }

  #receive(text: string): void {
    const lines = (this.#pending + text).split("\n");
    this.#pending = lines.pop() ?? "";
    for (const line of lines.filter((candidate) => candidate.trim() !== "")) {
      const message = JSON.parse(line) as MonitorEvent & Reply;
      if ("event" in message) this.events.push(message);
      else if ("return" in message || "error" in message) this.#replies.shift()?.(message);
    }
  }
}

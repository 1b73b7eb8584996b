import type { ConsoleLine } from "../vm/index.ts";
import type { RunningProgress } from "./progress.ts";

/** Several boots as one work, of which progress is shown. */
export class BootSeries {
  readonly #show: RunningProgress["listener"];
  readonly #totalBoots: number;
  #stage = "";
  #doneBoots = 0;
  /** The guest's time: of the boot that runs, and of the last one that ended. */
  #seconds = 0;
  #expectedSeconds = 0;

  /** @param totalBoots at most; those that turn out not to be needed are skipped */
  constructor(show: RunningProgress["listener"], totalBoots: number) {
    this.#show = show;
    this.#totalBoots = totalBoots;
  }

  /** Carries out a boot; it tells `onLine` of each line of its console. */
  async run<T>(stage: string, boot: (onLine: (line: ConsoleLine) => void) => Promise<T>): Promise<T> {
    this.#stage = stage;
    this.#seconds = 0;
    await this.#show(stage);
    this.#update();
    const result = await boot(({ seconds }) => {
      this.#seconds = seconds ?? this.#seconds;
      this.#update();
    });
    this.#doneBoots++;
    this.#expectedSeconds = this.#seconds;
    return result;
  }

  skip(boots: number): void {
    this.#doneBoots += boots;
  }

  #update(): void {
    // The first boot has nothing to be compared with. A slower one than the last never counts as done before it is.
    const part = this.#expectedSeconds === 0 ? 0 : Math.min(this.#seconds / this.#expectedSeconds, 1);
    this.#show(this.#stage, { doneBoots: this.#doneBoots + part, totalBoots: this.#totalBoots });
  }
}

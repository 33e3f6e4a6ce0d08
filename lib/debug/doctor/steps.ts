import type { Clock } from "../../clock.ts";
import { Diagnosed, type Diagnosis, diagnosis } from "./diagnosis.ts";

/** A step of an examination. */
export interface Step {
  readonly name: string;
  readonly status: "ok" | "failed" | "skipped";
  /** How long it took, in ms. */
  readonly ms: number;
  /** What came of it, in a few words; of a skipped step, why. */
  readonly detail: string;
}

/** Runs steps until one fails. */
export class Steps {
  readonly done: Step[] = [];
  readonly #clock: Clock;
  readonly #onStep: (step: Step) => void;

  constructor(clock: Clock, onStep: (step: Step) => void) {
    this.#clock = clock;
    this.#onStep = onStep;
  }

  /**
   * Runs a step, which resolves to its result and detail.
   *
   * @throws Diagnosed, as the step does. Anything else it throws is a defect of the doctor's, and passed on.
   */
  async run<T>(name: string, step: () => Promise<readonly [result: T, detail: string]>): Promise<T> {
    const since = this.#clock.now();
    try {
      const [result, detail] = await step();
      this.#add({ name, status: "ok", ms: this.#clock.now() - since, detail });
      return result;
    } catch (error) {
      if (error instanceof Diagnosed) {
        this.#add({ name, status: "failed", ms: this.#clock.now() - since, detail: error.diagnosis.fault });
      }
      throw error;
    }
  }

  skip(name: string, why: string): void {
    this.#add({ name, status: "skipped", ms: 0, detail: why });
  }

  /** The steps that took longer, as a diagnosis; null if there are none. */
  slow(limitMs: number): Diagnosis | null {
    const slow = this.done.filter(({ ms }) => ms > limitMs);
    if (slow.length === 0) return null;
    const evidence = slow.map(({ name, ms }) => `${name} took ${Math.round(ms)} ms`);
    return diagnosis("slow_server", ...evidence, `more than ${limitMs} ms counts as slow`);
  }

  #add(step: Step): void {
    this.done.push(step);
    this.#onStep(step);
  }
}

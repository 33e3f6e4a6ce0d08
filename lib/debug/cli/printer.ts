import type { Redactor } from "../redact.ts";
import type { Io, Output } from "./io.ts";

const STYLES = {
  bold: 1,
  dim: 2,
  red: 31,
  green: 32,
  yellow: 33,
  blue: 34,
  magenta: 35,
  cyan: 36,
} as const;

export type Style = keyof typeof STYLES;

/** A part of a line: text, or text with a style. */
export type Part = string | readonly [Style, string];

/** Whether to print in colour: on a terminal, unless the user or the terminal doesn't want it. */
export function wantsColour({ stdout, env }: Io, option: boolean): boolean {
  return option && stdout.isTTY === true && (env.NO_COLOR ?? "") === "" && env.TERM !== "dumb";
}

/** Prints lines. Each part passes the redactor before it is coloured. */
export class Printer {
  readonly #output: Output;
  readonly #redactor: Redactor;
  readonly #colour: boolean;

  constructor(output: Output, redactor: Redactor, colour: boolean) {
    this.#output = output;
    this.#redactor = redactor;
    this.#colour = colour;
  }

  line(...parts: readonly Part[]): void {
    const painted = parts.map((part) => {
      if (typeof part === "string") return this.#redactor.text(part);
      const text = this.#redactor.text(part[1]);
      return this.#colour ? `\u001b[${STYLES[part[0]]}m${text}\u001b[0m` : text;
    });
    this.#output.write(`${painted.join("").trimEnd()}\n`);
  }

  /** One value as JSON on one line. */
  json(value: unknown): void {
    this.#output.write(`${JSON.stringify(this.#redactor.value(value))}\n`);
  }
}

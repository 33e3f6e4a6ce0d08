import { shown } from "./match.ts";

/** What a test's clients sent and got, and what went wrong at the server, in order. */
export type Entry =
  | {
      readonly kind: "sent" | "push" | "reply";
      readonly client: string;
      readonly topic: string;
      readonly event: string;
      readonly ref: string | null;
      readonly payload: unknown;
      readonly status?: string;
      /** An assertion has taken it. */
      taken: boolean;
    }
  | {
      readonly kind: "broadcast";
      readonly topic: string;
      readonly event: string;
      readonly payload: unknown;
      readonly client: string;
      taken: boolean;
    }
  | { readonly kind: "note"; readonly text: string; readonly error?: unknown };

/** So many of the latest are printed. */
const MAX_SHOWN = 60;

/** The record of a kit, for the messages of its assertions. */
export class Transcript {
  readonly #entries: Entry[] = [];
  readonly #filter: (value: unknown) => unknown;

  /** @param filter Hides what the endpoint's filterParameters name. */
  constructor(filter: (value: unknown) => unknown) {
    this.#filter = filter;
  }

  get length(): number {
    return this.#entries.length;
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  add<E extends Entry>(entry: E): E {
    this.#entries.push(entry);
    return entry;
  }

  /** What crashed last, for an assertion's `cause`. */
  get latestError(): unknown {
    const crash = this.#entries.findLast((entry) => entry.kind === "note" && entry.error !== undefined);
    return crash?.kind === "note" ? crash.error : undefined;
  }

  /** All of it in lines, or the latest part. */
  toString(): string {
    if (this.#entries.length === 0) return "transcript: nothing has been sent";
    const first = Math.max(0, this.#entries.length - MAX_SHOWN);
    const lines = this.#entries.slice(first).map((entry, i) => {
      const number = String(first + i + 1).padStart(4);
      return `${number} ${this.#line(entry)}`;
    });
    const left = first > 0 ? `\n     … ${first} earlier` : "";
    return `transcript (→ to the server, ← to the client, « broadcast on the topic, ✓ taken by an assertion):${left}\n${lines.join("\n")}`;
  }

  #line(entry: Entry): string {
    if (entry.kind === "note") return `! ${entry.text}`;
    const { client, topic, event, payload } = entry;
    const mark = entry.taken ? " ✓" : "";
    const text = shown(this.#filter(payload));
    switch (entry.kind) {
      case "sent":
        return `→ ${client}  ${topic}  ${event} (ref ${entry.ref})  ${text}`;
      case "push":
        return `← ${client}  ${topic}  ${event}  ${text}${mark}`;
      case "reply":
        return `← ${client}  ${topic}  reply to ref ${entry.ref}: ${entry.status}  ${text}${mark}`;
      case "broadcast":
        return `« all  ${topic}  ${event}  ${text}${mark}`;
    }
  }
}

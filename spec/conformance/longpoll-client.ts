import { HttpClient, type HttpExchange, type HttpRequest } from "../support/http-client.ts";
import type { ManualClock } from "../support/manual-clock.ts";
import { afterTest } from "../support/teardown.ts";
import { Inbox } from "./inbox.ts";
import { textItem } from "./raw-frames.ts";
import type { Item } from "./scenario.ts";

/** A request of a scenario, and its answer once that is here. */
export class Exchange {
  readonly inbox = new Inbox();
  readonly http: HttpExchange;
  readonly #clock: ManualClock;
  readonly #startedAt: number;

  constructor(http: HttpExchange, clock: ManualClock) {
    this.http = http;
    this.#clock = clock;
    this.#startedAt = clock.now();
    http.answer.then(
      ({ status, headers, text }) => {
        const waitedMs = clock.now() - this.#startedAt;
        this.inbox.push({ status, headers, body: bodyOf(text), waitedMs });
      },
      () => this.inbox.end(),
    );
  }

  /** Milliseconds of the server's clock that are missing for it to have waited so long. */
  missing(waitedMs: number): number {
    return Math.max(0, this.#startedAt + waitedMs - this.#clock.now());
  }

  /** The answer; none if the server gives none. */
  async answer(): Promise<Item[]> {
    await this.inbox.until(() => this.inbox.length > 0 || this.inbox.ended);
    return this.inbox.take(1);
  }
}

/** Asks a server whose clock stands still, and moves that only when it is known what waits there. */
export class LongPollClient {
  readonly #http: HttpClient;
  readonly #clock: ManualClock;

  constructor(port: number, clock: ManualClock) {
    // Sessions that nobody polls for expire, so that the server can close.
    afterTest(() => clock.advance(60_000));
    this.#http = new HttpClient(port);
    this.#clock = clock;
  }

  ask(request: HttpRequest): Exchange {
    return new Exchange(this.#http.ask(request), this.#clock);
  }

  /** Resolves when a request is answered, or waits at the server. */
  settle({ http }: Exchange): Promise<void> {
    return this.#http.settle(http);
  }

  /** Lets a request wait for so many milliseconds of the server's clock, unless it is answered before. */
  async wait(exchange: Exchange, waitedMs: number): Promise<void> {
    await this.settle(exchange);
    const missing = exchange.missing(waitedMs);
    if (missing === 0 || exchange.http.answered) return;
    this.#clock.advance(missing - 1);
    await this.settle(exchange);
    if (!exchange.http.answered) this.#clock.advance(1);
  }

  /** Lets the server's clock go on, in steps, so that what falls due on the way is answered on the way. */
  async pass(ms: number, step = 50): Promise<void> {
    for (let passed = 0; passed < ms; passed += step) {
      this.#clock.advance(Math.min(step, ms - passed));
      await this.#http.roundTrip();
    }
  }
}

/** A body as transcripts show it: parsed if it is JSON, and so are its messages. */
function bodyOf(text: string): unknown {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return text;
  }
  const { messages } = body as { messages?: unknown };
  if (!Array.isArray(messages)) return body;
  return { ...(body as object), messages: messages.map((message) => textItem(String(message))) };
}

import type { IncomingMessage } from "node:http";
import { Channel } from "../../channel.ts";
import type { Cancel } from "../../clock.ts";
import { error, ok } from "../../reply.ts";
import { type ConnectParams, type ConnectResult, Socket, type SocketClass } from "../../socket.ts";
import type { ConnectInfo } from "../../transport/connect-info.ts";
import type { Trace, TraceOptions } from "../trace.ts";
import { adviceOf } from "./advice.ts";
import type { Inspected } from "./inspector.ts";
import { isTableName, type TableName, table } from "./inventory.ts";
import { Rates, refusals } from "./rates.ts";
import { Sampler } from "./sampler.ts";

/** Milliseconds between looks at the tables, and between batches of steps. */
const LOOK_EVERY = 1_000;
const SEND_EVERY = 100;
/** Characters of what a page asks for. */
const MAX_TEXT = 1_024;

const CRITERIA = ["topic", "socketId", "event", "id"] as const;

interface InspectorAssigns {
  readonly inspected: Inspected;
}

/** Messages of the channel to itself. */
type Due = "look" | "send";

/** Makes the socket class of one inspector. */
export function inspectorSocket(
  inspected: Inspected,
  mayLook: (request: IncomingMessage) => Promise<string | null>,
): SocketClass {
  return class InspectorSocket extends Socket {
    static override channels = { inspector: { channel: InspectorChannel, assigns: { inspected } } };

    override async connect(_params: ConnectParams, { request }: ConnectInfo): Promise<ConnectResult> {
      const refused = await mayLook(request);
      return refused === null ? ok() : error(refused);
    }
  };
}

/** One page that looks: which table it shows, and which messages it follows. */
class InspectorChannel extends Channel<InspectorAssigns> {
  static override log = false;
  /** A page that is behind misses some; what comes next is as good. */
  static override overflow = { look: "drop" as const, steps: "drop" as const };

  #watched: { readonly table: TableName; readonly search: string } | null = null;
  #trace: Trace | null = null;
  /** Which of the page's requests to follow the trace is. */
  #following = 0;
  #sampler = new Sampler();
  #rates: Rates | null = null;
  #cancelSend: Cancel | false = false;

  override join() {
    this.sendSelf("look");
    return ok({ lookEvery: LOOK_EVERY, sendEvery: SEND_EVERY });
  }

  override handleInfo(due: unknown): void {
    if ((due as Due) === "look") this.#look();
    else this.#send();
  }

  override terminate(): void {
    this.#trace?.close();
  }

  static {
    this.on("watch", function (payload: unknown) {
      const { table: name, search } = fields(payload);
      if (!isTableName(name)) return no("there is no such table");
      this.#watched = { table: name, search: typeof search === "string" ? search.slice(0, MAX_TEXT) : "" };
      return ok({ at: this.assigns.inspected.tracer.now, ...this.#table() });
    });
    this.on("follow", function (payload: unknown) {
      const options = criteria(fields(payload));
      if (options === null) return no("these messages can't be followed");
      this.#unfollow();
      this.#trace = this.assigns.inspected.endpoint.trace(options);
      this.#following++;
      this.#sendLater();
      return ok({ following: this.#following });
    });
    this.on("unfollow", function () {
      this.#unfollow();
      return ok();
    });
    this.on("explain", function (payload: unknown) {
      const { id } = fields(payload);
      const explanation =
        typeof id === "string" ? this.assigns.inspected.endpoint.explain(id.slice(0, MAX_TEXT)) : null;
      if (explanation === null) return no("nothing is known of this id, or not any more");
      const { failure } = explanation;
      return ok({ ...explanation, advice: failure === null ? null : adviceOf(failure) });
    });
  }

  #table() {
    const { inspected } = this.assigns;
    return this.#watched === null
      ? null
      : { ...this.#watched, ...table(inspected, this.#watched.table, this.#watched.search) };
  }

  #look(): void {
    const { endpoint, tracer } = this.assigns.inspected;
    const stats = endpoint.stats();
    const at = tracer.now;
    this.#rates ??= new Rates(tracer.failures);
    const rates = this.#rates.since(stats, at);
    this.push("look", { at, stats, rates, failures: refusals(tracer.failures), table: this.#table() });
    this.sendSelf("look" satisfies Due, { after: LOOK_EVERY });
  }

  #send(): void {
    const trace = this.#trace;
    if (trace === null) return;
    const steps = trace.take();
    if (steps.length > 0) this.push("steps", { following: this.#following, ...this.#sampler.take(steps) });
    this.#sendLater();
  }

  #sendLater(): void {
    this.#cancelSend = this.sendSelf("send" satisfies Due, { after: SEND_EVERY });
  }

  #unfollow(): void {
    this.#trace?.close();
    this.#trace = null;
    if (this.#cancelSend) this.#cancelSend();
    this.#sampler = new Sampler();
  }
}

/** An answer for the page only, which shows it as it is. */
function no(reason: string) {
  return error({ reason });
}

function fields(payload: unknown): Readonly<Record<string, unknown>> {
  return typeof payload === "object" && payload !== null ? (payload as Record<string, unknown>) : {};
}

/** Which messages to follow, all of them if nothing is said; null if that can't be. */
function criteria(given: Readonly<Record<string, unknown>>): TraceOptions | null {
  const options: { -readonly [K in keyof TraceOptions]: TraceOptions[K] } = {};
  for (const key of CRITERIA) {
    const value = given[key];
    if (value === undefined) continue;
    if (typeof value !== "string" || value === "" || value.length > MAX_TEXT) return null;
    options[key] = value;
  }
  const { connection } = given;
  if (connection !== undefined) {
    if (!Number.isSafeInteger(connection) || (connection as number) < 1) return null;
    options.connection = connection as number;
  }
  return options;
}

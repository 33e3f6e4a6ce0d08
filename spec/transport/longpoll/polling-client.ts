import { expect } from "chai";
import type { EndpointOptions, MountOptions, SocketClass } from "../../../lib/index.ts";
import type { Frame } from "../../support/client.ts";
import { turn } from "../../support/gate.ts";
import { HttpClient, type HttpExchange } from "../../support/http-client.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { type Served, serve } from "../../support/server.ts";
import { afterTest } from "../../support/teardown.ts";

export const WINDOW = 10_000;
export const TOKEN = "x-phoenix-longpoll-token";

/** The body of an answer. */
export interface Answer {
  readonly status: number;
  readonly token?: string;
  readonly messages?: readonly string[];
}

export interface PolledServer extends Served {
  readonly clock: ManualClock;
  /** Opens a session. */
  open(query?: string, headers?: Readonly<Record<string, string>>): Promise<PollingClient>;
}

/** Serves a socket class to clients that poll, with a clock that stands still unless a spec moves it. */
export async function servePolling(
  socketClass: SocketClass,
  mountOptions: MountOptions = {},
  endpointOptions: EndpointOptions = {},
): Promise<PolledServer> {
  const clock = new ManualClock();
  const served = await serve(socketClass, mountOptions, { clock, ...endpointOptions });
  // Time goes on for the endpoint to close: what nobody polls for expires.
  afterTest(async () => {
    let closed = false;
    const closing = served.endpoint.close({ timeoutMs: 0 }).then(() => {
      closed = true;
    });
    while (!closed) {
      clock.advance(WINDOW);
      await turn();
    }
    await closing;
  });
  return { ...served, clock, open: (query, headers) => PollingClient.open(served.port, query, headers) };
}

/** A client that long-polls, step by step as a spec tells it. */
export class PollingClient {
  readonly http: HttpClient;
  readonly path: string;
  readonly token: string;
  #probe = 0;

  constructor(http: HttpClient, path: string, token: string) {
    this.http = http;
    this.path = path;
    this.token = token;
  }

  static async open(
    port: number,
    query = "vsn=2.0.0",
    headers: Readonly<Record<string, string>> = {},
    path = "/socket/longpoll",
  ): Promise<PollingClient> {
    const http = new HttpClient(port);
    const { status, token } = bodyOf(await http.ask({ path: `${path}?${query}`, headers }).answer);
    if (status !== 410 || token === undefined) throw new Error(`no session was opened: ${status}`);
    return new PollingClient(http, path, token);
  }

  /** Asks for messages. */
  poll(): HttpExchange {
    return this.http.ask({ path: this.path, headers: { [TOKEN]: this.token } });
  }

  /** Asks for messages, and resolves when the poll waits at the server. */
  async waitingPoll(): Promise<HttpExchange> {
    const poll = this.poll();
    await this.http.settle(poll);
    expect(poll.answered, "the poll has been answered already").to.equal(false);
    return poll;
  }

  /** Posts frames as the official client does: an array or object as JSON, bytes in base64, a string as it is. */
  async send(...frames: Frame[]): Promise<number> {
    return this.sendBody(frames.map(line).join("\n"));
  }

  async sendBody(body: string | Uint8Array, type = "application/x-ndjson"): Promise<number> {
    return bodyOf(await this.post(body, type).answer).status;
  }

  post(body: string | Uint8Array, type = "application/x-ndjson"): HttpExchange {
    const headers = { [TOKEN]: this.token, "content-type": type };
    return this.http.ask({ method: "POST", path: this.path, headers, body });
  }

  /** The messages of the next answer. */
  async take(): Promise<Frame[]> {
    return messagesOf(this.poll());
  }

  /** Joins a topic over V2, with join_ref "1" unless given, and takes the reply. */
  async join(topic: string, payload: unknown = {}, joinRef: unknown = "1"): Promise<Frame[]> {
    await this.send([joinRef, joinRef, topic, "phx_join", payload]);
    return this.take();
  }

  /** All that arrives before the answer to a heartbeat sent now. */
  async settle(): Promise<Frame[]> {
    const ref = `probe-${++this.#probe}`;
    await this.send([null, ref, "phoenix", "heartbeat", {}]);
    const frames: Frame[] = [];
    for (;;) {
      frames.push(...(await this.take()));
      if (frames.at(-1)?.[1] === ref) return frames.slice(0, -1);
    }
  }

  /** Expects the session to be over: a poll is answered 410, also with a session of its own. */
  async expectGone(): Promise<void> {
    const { status } = bodyOf(await this.poll().answer);
    expect(status).to.equal(410);
  }
}

export function bodyOf({ text }: { readonly text: string }): Answer {
  return JSON.parse(text) as Answer;
}

/** The messages of an answer that has some. */
export async function messagesOf(poll: HttpExchange): Promise<Frame[]> {
  const { status, messages = [] } = bodyOf(await poll.answer);
  expect(status).to.equal(200);
  return messages.map((message) => JSON.parse(message));
}

function line(frame: Frame): string {
  if (typeof frame === "string") return frame;
  return frame instanceof Uint8Array ? Buffer.from(frame).toString("base64") : JSON.stringify(frame);
}

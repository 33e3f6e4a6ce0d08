import type { HttpRequest } from "../support/http-client.ts";
import type { ManualClock } from "../support/manual-clock.ts";
import { compare, presenceInOrder } from "./compare.ts";
import { type Exchange, LongPollClient } from "./longpoll-client.ts";
import { actionOf, compareReceived } from "./player.ts";
import { type Item, parts, type Scenario, type Step } from "./scenario.ts";
import { burstData, type WebSocketClient, webSocketActions } from "./websocket-player.ts";

const REQUEST = ["method", "path", "conn", "open", "headers", "token", "background", "abortAfter"];
const BODY = ["frame", "batch", "body", "fill"];
const TOKEN = "x-phoenix-longpoll-token";

/** What a step of long-polling receives: its answer, and what WebSockets received meanwhile. */
type Received = Item & { readonly ws?: Step["receives"]; readonly waitedMs?: number };

/** Plays a scenario of long-polling, beside WebSockets, against a server with a clock that the player moves. */
export async function playLongPoll(scenario: Scenario, port: number, clock: ManualClock): Promise<void> {
  const webSockets = new Map<string, WebSocketClient>();
  const player = new Player(new LongPollClient(port, clock));
  const actions = webSocketActions(port, webSockets);
  const own = { request: player.request, await: player.await, wait: player.wait };
  for (const [i, step] of scenario.steps.entries()) {
    const name = actionOf(step, { ...actions, ...own });
    const where = `step ${i + 1}, ${name}`;
    const { ws = {}, ...recorded } = step.receives as unknown as Received;
    let answers: Item[] = [];
    if (name in own) answers = await own[name as keyof typeof own](step[name], recorded.waitedMs);
    else await actions[name]?.(step[name]);
    const expected = Object.keys(recorded).length === 0 ? [] : [recorded];
    compare(answers.map(inOrder), expected.map(inOrder), where);
    await compareReceived(ws, where, webSockets);
  }
}

class Player {
  readonly #client: LongPollClient;
  /** The token of each session. */
  readonly #tokens = new Map<string, string>();
  readonly #background = new Map<
    string,
    { readonly exchange: Exchange; readonly token: string | undefined }
  >();

  constructor(client: LongPollClient) {
    this.#client = client;
  }

  readonly request = async (argument: unknown, waitedMs: number | undefined): Promise<Item[]> => {
    const given = parts(argument, [...REQUEST, ...BODY], "request");
    const { conn, open, background, abortAfter } = given;
    const token = open === true || conn === undefined ? undefined : this.#token(conn);
    const exchange = this.#client.ask(httpRequest(given, token));
    if (background !== undefined) {
      await this.#client.settle(exchange);
      this.#background.set(String(background), { exchange, token });
      return [];
    }
    if (abortAfter !== undefined) {
      await this.#client.settle(exchange);
      await this.#client.pass(Number(abortAfter));
      if (!exchange.http.answered) {
        exchange.http.abort();
        return [{ aborted: true }];
      }
    }
    const answers = await this.#answers(exchange, waitedMs);
    const opened = (answers[0]?.body as { token?: unknown } | undefined)?.token;
    if (open === true && typeof opened === "string") this.#tokens.set(String(conn), opened);
    return answers.map((answer) => shown(answer, token));
  };

  readonly await = async (argument: unknown, waitedMs: number | undefined): Promise<Item[]> => {
    const found = this.#background.get(String(argument));
    if (found === undefined) throw new Error(`no request goes on as ${argument}`);
    this.#background.delete(String(argument));
    const answers = await this.#answers(found.exchange, waitedMs);
    return answers.map((answer) => shown(answer, found.token));
  };

  readonly wait = async (argument: unknown): Promise<Item[]> => {
    await this.#client.pass(Number(argument));
    return [];
  };

  async #answers(exchange: Exchange, waitedMs: number | undefined): Promise<Item[]> {
    if (waitedMs !== undefined) await this.#client.wait(exchange, waitedMs);
    return exchange.answer();
  }

  #token(conn: unknown): string {
    const token = this.#tokens.get(String(conn));
    if (token === undefined) throw new Error(`${conn} has no session`);
    return token;
  }
}

/** The request of a step. Its token goes in the header, unless the step says where else, or that it is spoilt. */
function httpRequest(given: Record<string, unknown>, token: string | undefined): HttpRequest {
  const headers: Record<string, string> = {};
  let path = String(given.path);
  const toQuery = (value: string) => {
    path += `${path.includes("?") ? "&" : "?"}token=${encodeURIComponent(value)}`;
  };
  if (token !== undefined) {
    const spoilt = token.slice(0, -1) + (token.endsWith("A") ? "B" : "A");
    if (given.token === undefined || given.token === "bad query") headers[TOKEN] = token;
    else if (given.token === "bad") headers[TOKEN] = spoilt;
    else if (given.token === "query") toQuery(token);
    else throw new Error(`no token is ${given.token}`);
    if (given.token === "bad query") toQuery(spoilt);
  }
  const body = requestBody(given);
  if (body !== undefined)
    headers["content-type"] = given.batch === undefined ? "text/plain" : "application/x-ndjson";
  Object.assign(headers, given.headers);
  return { method: String(given.method), path, headers, ...(body !== undefined && { body }) };
}

function requestBody({ frame, batch, body, fill }: Record<string, unknown>): string | undefined {
  if (batch !== undefined) {
    const lines = (batch as unknown[]).map(burstData);
    return lines.map((line) => (typeof line === "string" ? line : line.toString("base64"))).join("\n");
  }
  if (frame !== undefined) return JSON.stringify(frame);
  if (fill === undefined) return body as string | undefined;
  const { pre = "", char = "", n = 0, post = "" } = parts(fill, ["pre", "char", "n", "post"], "fill");
  return `${pre}${String(char).repeat(Number(n))}${post}`;
}

/** An answer as transcripts show it. */
function shown(answer: Item, token: string | undefined): Item {
  const body = answer.body as { token?: unknown } | string;
  if (typeof body === "string" || body.token === undefined) return answer;
  const sameToken = token === undefined ? {} : { sameToken: body.token === token };
  return { ...answer, ...sameToken, body: { ...body, token: "<token>" } };
}

/** An answer with its presence messages in the order in which they are compared. */
function inOrder(answer: Item): Item {
  const body = answer.body as { messages?: unknown } | undefined;
  const also =
    answer.also === undefined ? {} : { also: [answer.also].flat().map((other) => inOrder(other as Item)) };
  if (!Array.isArray(body?.messages)) return { ...answer, ...also };
  return { ...answer, ...also, body: { ...body, messages: presenceInOrder(body.messages as Item[]) } };
}

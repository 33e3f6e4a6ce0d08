import { subscribe, unsubscribe } from "node:diagnostics_channel";
import {
  Agent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
} from "node:http";
import { Gate } from "./gate.ts";
import { afterTest } from "./teardown.ts";

/** Tells a client's requests apart where the server gets them. */
const NUMBER = "x-request-number";

export interface HttpRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A request on its way. */
export class HttpExchange {
  readonly request: ClientRequest;
  /** Rejects if the connection ends before the whole answer is here. */
  readonly answer: Promise<HttpAnswer>;
  /** Opened when the server, which is in this process, has begun with the request. */
  readonly reached = new Gate();
  answered = false;

  constructor(clientRequest: ClientRequest, body: string | Uint8Array | undefined) {
    this.request = clientRequest;
    this.answer = new Promise((resolve, reject) => {
      clientRequest.once("error", reject);
      clientRequest.once("response", (response) => {
        read(response).then((answer) => {
          this.answered = true;
          resolve(answer);
        }, reject);
      });
    });
    this.answer.catch(() => {});
    clientRequest.end(body);
  }

  /** Hangs up. */
  abort(): void {
    this.request.destroy();
  }
}

/** A client of a server in this process: it knows how far the server is with a request. */
export class HttpClient {
  readonly port: number;
  readonly agent = new Agent({ keepAlive: true });
  readonly #exchanges: HttpExchange[] = [];

  constructor(port: number) {
    this.port = port;
    const onStart = (message: unknown) => {
      const { headers, socket } = (message as { request: IncomingMessage }).request;
      if (socket.localPort === port) this.#exchanges[Number(headers[NUMBER])]?.reached.open();
    };
    subscribe("http.server.request.start", onStart);
    afterTest(() => {
      unsubscribe("http.server.request.start", onStart);
      for (const exchange of this.#exchanges) exchange.abort();
      this.agent.destroy();
    });
  }

  ask({ method = "GET", path, headers, body }: HttpRequest): HttpExchange {
    const number = this.#exchanges.length;
    const clientRequest = request({
      port: this.port,
      host: "127.0.0.1",
      agent: this.agent,
      method,
      path,
      headers: { ...headers, [NUMBER]: number },
    });
    const exchange = new HttpExchange(clientRequest, body);
    this.#exchanges.push(exchange);
    return exchange;
  }

  /** Resolves when a request is answered, or waits at the server: what answers it at once has had its chance. */
  async settle(exchange: HttpExchange): Promise<void> {
    await Promise.race([exchange.reached.promise, exchange.answer]).catch(() => {});
    for (let round = 0; round < 3 && !exchange.answered; round++) await this.roundTrip();
  }

  /** A request that any server answers at once. */
  async roundTrip(): Promise<void> {
    await this.ask({ method: "OPTIONS", path: "/socket/longpoll" }).answer;
  }
}

async function read(response: IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const { statusCode = 0, headers } = response;
  return { status: statusCode, headers, text: Buffer.concat(chunks).toString() };
}

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Connection } from "../../connection/connection.ts";
import type { Endpoint } from "../../endpoint.ts";
import { ConfigError, describe } from "../../errors.ts";
import type { Inspectable } from "../../inspectable.ts";
import type { Logger } from "../../logger.ts";
import { checkOptions, method } from "../../options.ts";
import type { PubSub } from "../../pubsub/pubsub.ts";
import { requestTarget, splitTarget } from "../../transport/connect-info.ts";
import type { EndpointTracer } from "../tracer.ts";
import { type Asset, HEADERS, loadAssets } from "./assets.ts";
import { inspectorSocket } from "./channel.ts";
import { type Authorize, refusal } from "./guard.ts";

export interface InspectOptions {
  /**
   * Decides alone who may look, for the page and for its socket. Without it, requests have to come from this machine,
   * by a name of this machine, and through no proxy that says so.
   */
  readonly authorize?: Authorize;
}

/** What an inspector looks at. */
export interface Inspected {
  readonly endpoint: Endpoint;
  readonly tracer: EndpointTracer;
  readonly pubsub: PubSub;
  readonly logger: Logger;
  readonly parts: Iterable<Inspectable>;
  connections(): Connection[];
  /** Hides what filterParameters name. */
  filter(value: unknown): unknown;
}

const INSPECT_OPTIONS = { authorize: method<Authorize> };

const TEXT = "text/plain; charset=utf-8";

/** The inspector's page, and the socket that it runs on, at a path of an endpoint. */
export class Inspector {
  readonly path: string;
  readonly #authorize: Authorize | null;
  readonly #inspected: Inspected;
  /** Carries what the page sends and gets, apart from what it looks at. */
  readonly #own: Endpoint;
  #assets: Promise<ReadonlyMap<string, Asset>> | null = null;

  /** @throws ConfigError (`invalid_argument`, `invalid_option`, `unknown_option`) */
  constructor(path: string, options: unknown, inspected: Inspected, own: (logger: Logger) => Endpoint) {
    if (path === "/" || path.includes("/:")) {
      throw new ConfigError(
        "invalid_argument",
        `an inspector needs a path of its own and without params, as "/inspector"; got ${describe(path)}`,
      );
    }
    const { authorize = null } = checkOptions<InspectOptions>(options, INSPECT_OPTIONS, "inspect");
    this.path = path;
    this.#authorize = authorize;
    this.#inspected = inspected;
    const { logger } = inspected;
    // Who looks isn't news, what fails is.
    const quiet = { debug() {}, info() {}, warn: logger.warn.bind(logger), error: logger.error.bind(logger) };
    this.#own = own(quiet);
    const mayLook = (request: IncomingMessage) => refusal(request, authorize);
    this.#own.socket(`${path}/socket`, inspectorSocket(inspected, mayLook), { longpoll: false });
  }

  /** Takes an upgrade request, if it is for the page's socket. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    return this.#own.handleUpgrade(request, socket, head);
  }

  /** Takes a request, if it is for the page or what belongs to it. */
  handleRequest(request: IncomingMessage, response: ServerResponse): boolean {
    const { path } = splitTarget(requestTarget(request));
    const inside = path === this.path || path.startsWith(`${this.path}/`);
    if (!inside) return false;
    if (this.#own.handleRequest(request, response)) return true;
    void this.#answer(request, response, path);
    return true;
  }

  /** Ends the sockets of who is looking. */
  close(): Promise<void> {
    return this.#own.close({ timeoutMs: 1_000 });
  }

  async #answer(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    try {
      const refused = await refusal(request, this.#authorize);
      if (refused !== null) return reply(response, 403, refused);
      if (request.method !== "GET" && request.method !== "HEAD") {
        return reply(response, 405, "Method Not Allowed", { Allow: "GET, HEAD" });
      }
      // Behind the slash the page's links are its own. The address is relative, for proxies that take a prefix off.
      if (path === this.path) {
        return reply(response, 308, "", { Location: `${path.slice(path.lastIndexOf("/") + 1)}/` });
      }
      this.#assets ??= loadAssets();
      const assets = await this.#assets;
      const asset = assets.get(path.slice(this.path.length + 1) || "index.html");
      if (asset === undefined) return reply(response, 404, "Not Found");
      const { type, bytes } = asset;
      response.writeHead(200, { ...HEADERS, "Content-Type": type, "Content-Length": bytes.length });
      response.end(request.method === "HEAD" ? undefined : bytes);
    } catch (err) {
      this.#assets = null;
      this.#inspected.logger.error({ err, path: this.path }, "the inspector couldn't answer a request");
      reply(response, 500, "The inspector failed; the server's log says why.");
    }
  }
}

function reply(response: ServerResponse, status: number, text: string, headers: object = {}): void {
  if (response.headersSent) response.end();
  else response.writeHead(status, { ...HEADERS, "Content-Type": TEXT, ...headers }).end(text);
}

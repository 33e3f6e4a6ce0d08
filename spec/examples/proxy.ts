import { once } from "node:events";
import { createServer, request as forward } from "node:http";
import type { AddressInfo } from "node:net";
import { afterTest } from "../support/teardown.ts";

export interface Proxy {
  readonly url: string;
  /** The paths asked for so far. */
  readonly paths: Set<string>;
}

/** Passes requests on, as some networks do, but without what would make them WebSockets. */
export async function blockWebSockets(port: number): Promise<Proxy> {
  const paths = new Set<string>();
  const server = createServer((request, response) => {
    const { method, url = "" } = request;
    const { connection: _, upgrade: __, ...headers } = request.headers;
    paths.add(url.replace(/\?.*/, ""));
    const passed = forward({ host: "127.0.0.1", port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    passed.on("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
    response.on("close", () => passed.destroy());
    request.pipe(passed);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  afterTest(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, paths };
}

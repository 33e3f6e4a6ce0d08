// Messages through long-polling: clients that post an echo and poll for its reply, one in flight each:
// npx tsx bench/longpoll.ts [--clients=100] [--ms=5000]
import { Agent, request } from "node:http";
import { parseArgs } from "./support/args.ts";
import { Child, type Usage } from "./support/child.ts";
import { staleBuild } from "./support/library.ts";
import { thousands } from "./support/statistics.ts";

interface Answer {
  readonly status: number;
  readonly token: string;
  readonly messages: readonly string[];
}

const args = parseArgs(process.argv.slice(2), ["clients", "ms"]);
const clients = args.number("clients", 100);
const ms = args.number("ms", 5000);
const stale = await staleBuild();
if (stale !== null) console.error(stale);

const server = new Child(new URL("servers/phoenix.ts", import.meta.url));
try {
  const port = await server.ask<number>("port");
  const agent = new Agent({ keepAlive: true });
  const call = (method: string, token: string | null, body?: string) =>
    new Promise<Answer>((resolve, reject) => {
      const headers = {
        ...(token === null ? {} : { "x-phoenix-longpoll-token": token }),
        ...(body === undefined
          ? {}
          : { "content-type": "application/x-ndjson", "content-length": Buffer.byteLength(body) }),
      };
      const path = "/socket/longpoll?vsn=2.0.0";
      const outgoing = request({ port, host: "127.0.0.1", path, method, agent, headers }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () => resolve(JSON.parse(text) as Answer));
      });
      outgoing.on("error", reject).end(body);
    });

  let replies = 0;
  let running = true;
  const client = async () => {
    const { token } = await call("GET", null);
    await call("POST", token, '["1","1","room:bench","phx_join",{}]');
    await call("GET", token);
    while (running) {
      const poll = call("GET", token);
      await call("POST", token, '["1","2","room:bench","echo",{"body":"x"}]');
      const { messages } = await poll;
      replies += messages.length;
    }
  };
  const all = Promise.all(Array.from({ length: clients }, client));
  const wait = (duration: number) => new Promise((resolve) => setTimeout(resolve, duration));
  await wait(1000);
  const before = await server.ask<Usage>("usage");
  const start = replies;
  await wait(ms);
  const after = await server.ask<Usage>("usage");
  const got = replies - start;
  running = false;
  await all;
  agent.destroy();
  const cpu = ((after.cpu - before.cpu) / got).toFixed(0);
  console.log(
    `${clients} clients: ${thousands(got / ((after.at - before.at) / 1000))} replies/s, two requests each; server CPU ${cpu} µs each`,
  );
} finally {
  await server.stop();
}

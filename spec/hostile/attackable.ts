import { expect } from "chai";
import {
  Channel,
  type EndpointOptions,
  type MountOptions,
  ok,
  Socket,
  type SocketClass,
} from "../../lib/index.ts";
import { connect } from "../support/client.ts";
import { turn } from "../support/gate.ts";
import { type Served, serve } from "../support/server.ts";
import { afterTest } from "../support/teardown.ts";

/** A channel that answers with what it gets: to be attacked, and to prove that the server still works. */
export class Echo extends Channel {
  override join(_topic: string, payload: unknown) {
    return ok(payload);
  }
  static {
    this.on("echo", (payload) => ok(payload));
    this.on("shout", function (payload: object) {
      this.broadcast("shouted", payload);
    });
    this.on("boom", () => {
      throw new Error("boom");
    });
  }
}

/** Takes every topic. */
export class EchoSocket extends Socket {
  static override channels = { "*": Echo };
}

/** A new connection joins, and is answered. */
async function serves(port: number): Promise<void> {
  const client = await connect(`ws://127.0.0.1:${port}/sentinel/websocket`);
  expect(await client.join("sentinel", { alive: true })).to.deep.equal([
    "1",
    "1",
    "sentinel",
    "phx_reply",
    { status: "ok", response: { alive: true } },
  ]);
  await client.close();
}

/**
 * Serves as `serve` does. When the test is over and its clients are gone, the server must still serve, hold
 * nothing of them, and have thrown nothing that nobody caught.
 */
export async function attackable(
  socketClass: SocketClass,
  mountOptions: MountOptions = {},
  endpointOptions: EndpointOptions = {},
): Promise<Served> {
  const served = await serve(socketClass, mountOptions, endpointOptions);
  const { endpoint, port } = served;
  endpoint.socket("/sentinel", EchoSocket);
  const uncaught: unknown[] = [];
  // Unhandled rejections arrive here too.
  const onUncaught = (error: unknown) => uncaught.push(error);
  process.on("uncaughtExceptionMonitor", onUncaught);
  afterTest(async () => {
    await serves(port);
    const left = () => {
      const { connections, channels, topics, bufferedBytes, queued } = endpoint.stats();
      return connections + channels + topics + bufferedBytes + queued;
    };
    while (left() > 0) await turn();
    await turn();
    process.off("uncaughtExceptionMonitor", onUncaught);
    expect(uncaught).to.deep.equal([]);
  });
  return served;
}

/** The lines of one level, without those for joins and connections. */
export function errors({ lines }: Served): string[] {
  return lines.filter(({ level }) => level === "error").map(({ message }) => message);
}

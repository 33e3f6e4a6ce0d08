import { connect } from "../../lib/connection/connect.ts";
import { endpointInternals } from "../../lib/endpoint.ts";
import type { Endpoint, EndpointOptions, MountOptions, SocketClass } from "../../lib/index.ts";
import type { MountDoor } from "../../lib/mount.ts";
import { connectInfoOf } from "../../lib/testing/request.ts";
import { type TestClient, TestTransport } from "../../lib/testing/test-transport.ts";
import { type Frame, FrameClient } from "./frame-client.ts";
import { turn } from "./gate.ts";
import { makeEndpoint, type ServedEndpoint } from "./server.ts";
import { afterTest } from "./teardown.ts";

/*
 * Clients that speak frames to an endpoint by the test kit's transport, for specs of channels that need no network.
 * `connect` and `refused` of client.ts take the address of such an endpoint as they take any other.
 */

export type MemoryUrl = `memory:${number}`;

const endpoints = new Map<string, Endpoint>();
let count = 0;

/** Makes an endpoint with a socket class at /socket; closed after the test. */
export function serveInMemory(
  socketClass: SocketClass,
  mountOptions: MountOptions = {},
  endpointOptions: EndpointOptions = {},
): ServedEndpoint & { readonly url: MemoryUrl } {
  const served = makeEndpoint(socketClass, mountOptions, endpointOptions);
  const url: MemoryUrl = `memory:${++count}`;
  endpoints.set(url, served.endpoint);
  afterTest(async () => {
    endpoints.delete(url);
    await served.endpoint.close({ timeoutMs: 0 });
  });
  return { ...served, url };
}

/** A client on the kit's transport. */
export class MemoryClient extends FrameClient implements TestClient {
  #transport: TestTransport | null = null;

  /** Connects; the status of a refusal if the server says no. */
  async open(endpoint: Endpoint, query: string): Promise<number | null> {
    const { mounts, clock } = endpointInternals(endpoint);
    const door = mounts[0]?.doors.websocket as MountDoor;
    const since = clock.now();
    const info = connectInfoOf("websocket", "/socket", query, {}, new AbortController().signal);
    const answer = await connect(door.connect, info, {});
    if (!("open" in answer)) {
      door.onRefusal(answer, since);
      return answer.status;
    }
    this.#transport = new TestTransport(this, { ...door, kind: "websocket", clock });
    this.#transport.start(answer.open(this.#transport));
    return null;
  }

  onFrame(frame: string | Uint8Array): void {
    this.received(frame);
  }

  onClose(code: number, reason: string): void {
    this.ended(code, reason);
  }

  override transmit(data: string | Uint8Array): void {
    this.#transport?.receive(data);
  }

  override together(send: () => void): void {
    send();
  }

  override cut(): void {
    this.#hangUp(1006);
  }

  override async close(code = 1000): Promise<void> {
    this.#hangUp(code);
    await this.closed;
  }

  /** A network takes its time, in which the server has done what is due at once. */
  override async settle(): Promise<Frame[]> {
    await turn();
    await turn();
    return super.settle();
  }

  #hangUp(code: number): void {
    this.ended(code, "");
    this.#transport?.hangUp(code, "");
  }
}

function find(url: string): Endpoint {
  const endpoint = endpoints.get(url);
  if (endpoint === undefined) throw new Error(`nothing is served at ${url}`);
  return endpoint;
}

/** Connects to what `serveInMemory` serves. */
export async function connectInMemory(url: string, query: string): Promise<MemoryClient> {
  const client = new MemoryClient(query.includes("vsn=2.0.0") ? "2.0.0" : "1.0.0");
  const status = await client.open(find(url), query);
  if (status !== null) throw new Error(`refused with ${status}`);
  afterTest(() => client.cut());
  return client;
}

/** Connects and expects to be refused. */
export async function refusedInMemory(
  url: string,
  query: string,
): Promise<{ status: number; body: string; headers: Record<string, unknown> }> {
  const status = await new MemoryClient("2.0.0").open(find(url), query);
  if (status === null) throw new Error("the client was let in");
  return { status, body: "", headers: {} };
}

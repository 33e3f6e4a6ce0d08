import { EventEmitter } from "node:events";
import type { WebSocket } from "ws";
import { connect } from "../../lib/connection/connect.ts";
import { endpointInternals } from "../../lib/endpoint.ts";
import type { Endpoint } from "../../lib/index.ts";
import type { MountDoor } from "../../lib/mount.ts";
import { connectInfoOf } from "../../lib/testing/request.ts";
import { type TestClient, TestTransport } from "../../lib/testing/test-transport.ts";

/** What a peer needs of its connection: a WebSocket has it, and so has one without a network. */
export type Wire = Pick<WebSocket, "send" | "close" | "terminate" | "on" | "once">;

/** A client's connection to an endpoint by the test kit's transport, in the manner of a WebSocket. */
export class MemoryWire extends EventEmitter implements TestClient {
  #transport: TestTransport | null = null;
  #closed = false;

  /** @param vsn Of the wire format. */
  static async to(endpoint: Endpoint, vsn: string): Promise<Wire> {
    const wire = new MemoryWire();
    const { mounts, clock } = endpointInternals(endpoint);
    const door = mounts[0]?.doors.websocket as MountDoor;
    const info = connectInfoOf("websocket", "/socket", `vsn=${vsn}`, {}, new AbortController().signal);
    const answer = await connect(door.connect, info, {});
    if (!("open" in answer)) throw new Error(`refused with ${answer.status}`);
    const transport = new TestTransport(wire, { ...door, kind: "websocket", clock });
    wire.#transport = transport;
    transport.start(answer.open(transport));
    return wire as unknown as Wire;
  }

  send(data: string | Uint8Array): void {
    if (!this.#closed) this.#transport?.receive(data);
  }

  close(code = 1000): void {
    this.#hangUp(code);
  }

  terminate(): void {
    this.#hangUp(1006);
  }

  onFrame(frame: string | Uint8Array): void {
    this.emit("message", Buffer.from(frame as Uint8Array), typeof frame !== "string");
  }

  onClose(code: number): void {
    if (this.#closed) return;
    this.#closed = true;
    this.emit("close", code);
  }

  #hangUp(code: number): void {
    if (this.#closed) return;
    this.onClose(code);
    this.#transport?.hangUp(code, "");
  }
}

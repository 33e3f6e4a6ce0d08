import { clientFrame } from "../support/frames.ts";

/** What a load generator says to a kind of server. All of it is made once: what is sent again costs nothing. */
export interface Dialect {
  /** Where WebSockets are opened. */
  readonly path: string;
  /** After the handshake: what to send, and how many frames to wait for before the next step. */
  readonly hello: readonly { readonly send: Buffer | null; readonly frames: number }[];
  /** Asks for a broadcast to all, which is not answered besides. */
  readonly publish: Buffer;
  /** Asks for a reply with the same payload. */
  readonly echo: Buffer;
}

export type DialectName = "phoenix" | "ws" | "socket.io";

/** @param bytes The length of the text in each message. */
export function dialect(name: DialectName, bytes: number): Dialect {
  const payload = { user: 17, body: "x".repeat(bytes) };
  if (name === "socket.io") {
    return {
      path: "/socket.io/?EIO=4&transport=websocket",
      // Engine.io's open packet, then socket.io's connect packet and its answer.
      hello: [
        { send: null, frames: 1 },
        { send: clientFrame("40"), frames: 1 },
      ],
      publish: clientFrame(`42${JSON.stringify(["new_msg", payload])}`),
      echo: clientFrame(`421${JSON.stringify(["echo", payload])}`),
    };
  }
  const topic = "room:bench";
  return {
    path: name === "phoenix" ? "/socket/websocket?vsn=2.0.0" : "/",
    hello: [{ send: clientFrame(JSON.stringify(["1", "1", topic, "phx_join", {}])), frames: 1 }],
    publish: clientFrame(JSON.stringify(["1", "2", topic, "new_msg", payload])),
    echo: clientFrame(JSON.stringify(["1", "2", topic, "echo", payload])),
  };
}

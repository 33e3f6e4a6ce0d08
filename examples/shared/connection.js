import { Socket } from "/modules/phoenix.mjs";

/** Milliseconds that a WebSocket may take to open and answer, before long-polling is tried instead. */
const FALLBACK_AFTER = 2_500;

/**
 * The socket, and whether it is open: "connecting" at first, "online" or "offline". The socket reconnects by itself.
 * Events: "state".
 */
export class Connection extends EventTarget {
  state = "connecting";

  /**
   * @param {string} path
   * @param {{token: string}} profile Read at each connect.
   * @param {() => object} [params] Called at each connect.
   */
  constructor(path, profile, params = () => ({})) {
    super();
    this.socket = new Socket(path, {
      params,
      authToken: () => profile.token,
      longPollFallbackMs: FALLBACK_AFTER,
    });
    this.socket.onOpen(() => {
      // The socket would fall back at the first failure of a reconnect too, and stay there. But where a WebSocket has
      // opened nothing blocks it: if it fails later, the server is away.
      if (this.socket.transport === window.WebSocket) this.socket.longPollFallbackMs = null;
      this.#set("online");
    });
    this.socket.onClose(() => this.#set("offline"));
    this.socket.onError((_, transport) => {
      const fallsBack = transport === window.WebSocket && this.socket.longPollFallbackMs !== null;
      if (!fallsBack) this.#set("offline");
    });
    this.socket.connect();
    window.addEventListener("online", () => {
      if (this.state === "online") return;
      // Another network may block what the last one let through.
      this.socket.longPollFallbackMs = FALLBACK_AFTER;
      this.reconnect();
    });
  }

  /** Tries at once, instead of when the socket would. */
  reconnect() {
    if (this.state === "online") return;
    this.#set("connecting");
    this.socket.disconnect(() => this.socket.connect());
  }

  #set(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

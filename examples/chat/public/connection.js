import { Socket } from "/phoenix.mjs";

/**
 * The socket, and whether it is open: "connecting" at first, "online" or "offline". The socket reconnects by itself.
 * Events: "state".
 */
export class Connection extends EventTarget {
  state = "connecting";

  /** @param {{name: string | null, token: string}} profile Read at each connect. */
  constructor(profile) {
    super();
    this.socket = new Socket("/socket", {
      params: () => (profile.name === null ? {} : { name: profile.name }),
      authToken: () => profile.token,
    });
    this.socket.onOpen(() => this.#set("online"));
    this.socket.onClose(() => this.#set("offline"));
    this.socket.onError(() => this.#set("offline"));
    this.socket.connect();
    window.addEventListener("online", () => this.reconnect());
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

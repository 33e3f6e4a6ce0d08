import { Socket } from "./phoenix.mjs";

/** The page's own connection. It survives restarts of the server: what was asked for is asked for again. */
export class Connection {
  #socket;
  #channel;
  #onState;
  #everOpen = false;

  /** @param handlers `state(name)`, `joined()`, and a function for each event of the server. */
  constructor({ state, joined, ...events }) {
    this.#onState = state;
    // Beside the page, wherever a proxy has put it.
    const { href } = new URL("socket", location.href);
    this.#socket = new Socket(href.replace(/^http/, "ws"), {
      reconnectAfterMs: (tries) => [100, 500, 1000, 2000][tries - 1] ?? 4000,
      rejoinAfterMs: () => 1000,
    });
    this.#socket.onOpen(() => {
      this.#everOpen = true;
    });
    this.#socket.onError(() => state(this.#everOpen ? "offline" : "refused"));
    this.#socket.onClose(() => state(this.#everOpen ? "offline" : "refused"));
    this.#channel = this.#socket.channel("inspector");
    for (const [event, handler] of Object.entries(events)) this.#channel.on(event, handler);
    this.#channel.onError(() => state("offline"));
    this.#socket.connect();
    this.#channel.join().receive("ok", () => {
      this.#onState("online");
      joined();
    });
  }

  /** Asks the server. Rejects with its reason. */
  ask(event, payload = {}) {
    return new Promise((resolve, reject) => {
      this.#channel
        .push(event, payload)
        .receive("ok", resolve)
        .receive("error", ({ reason }) => reject(new Error(reason ?? "the server refused")))
        .receive("timeout", () => reject(new Error("the server doesn't answer")));
    });
  }
}

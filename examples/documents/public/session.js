import { TENANT } from "./api.js";
import { OpStream } from "./op-stream.js";

/** Milliseconds until what failed for no fault of ours is tried again. */
const RETRY_AFTER = 2_000;
/** Why the server doesn't take an op, and won't if it is sent again. */
const FINAL = new Set(["batch_too_large", "malformed", "rejected"]);
/** Milliseconds until the server hears of ops that we have seen. */
const NOOP_AFTER = 2_000;

/**
 * One document's channel, on the official client: connects, and again whenever the connection was lost; receives
 * the ops, each once and in order; sends what is in the outbox, each edit once.
 *
 * Events: "state"; "ops" (with the list); "clients"; "signal" (`{clientId, content}`); "saved" when the outbox got
 * emptier; "rollback" when the server has lost ops that we have.
 */
export class Session extends EventTarget {
  /** "connecting", "connected", "offline", or "refused", which is for good. */
  state = "connecting";
  /** Why, if it is refused. */
  reason = "";
  /** Why what is in the outbox can't be saved, if it can't. */
  problem = "";
  clientId = null;
  /** Who is connected, by client id: `{user, mode}`. */
  clients = new Map();
  /** The summary that the server knows: `{handle, sequenceNumber}`. */
  summary = null;
  #proposed = null;
  #socket;
  #channel = null;
  #document;
  #mode;
  #outbox;
  #api;
  #stream;
  /** Counts connections, so that answers to an earlier one are known. */
  #attempt = 0;
  #key = null;
  #maxMessageSize = Number.POSITIVE_INFINITY;
  #csn = 0;
  #busy = false;
  #noop = null;
  /** Up to which op the list of clients has them all already. */
  #listedAt = 0;

  /**
   * @param {import("/modules/phoenix.mjs").Socket} socket
   * @param {object} options
   * @param {string} options.document
   * @param {"write" | "read"} options.mode
   * @param {number} options.seen Up to which op we have them all.
   * @param {import("./outbox.js").Outbox} options.outbox
   * @param {import("./api.js").Api} options.api
   * @param {(handle: string) => Promise<void>} options.loadSummary Takes in what a summary says.
   */
  constructor(socket, { document, mode, seen, outbox, api, loadSummary }) {
    super();
    this.#socket = socket;
    this.#document = document;
    this.#mode = mode;
    this.#outbox = outbox;
    this.#api = api;
    this.#stream = new OpStream(seen, {
      summary: () => this.summary,
      loadSummary,
      request: (from) => this.request(from),
      onOps: (ops) => this.#take(ops),
      onLoaded: () => this.#changed("state"),
      onError: (error) => this.#failed(error),
    });
    this.#open();
  }

  /** The sequence number of the last op that we have; what came before we have too. */
  get seen() {
    return this.#stream.seen;
  }

  /** Whether we have once had all that the server had. */
  get isLoaded() {
    return this.#stream.isLoaded;
  }

  get isConnected() {
    return this.state === "connected";
  }

  /** To be called when something was put into the outbox. */
  flush() {
    const { waiting } = this.#outbox;
    if (!this.isConnected || this.#mode === "read" || this.#busy || waiting === null) return;
    if (JSON.stringify(waiting).length > this.#maxMessageSize) {
      this.problem = "What you wrote is too large to be saved.";
      this.#changed("state");
      return;
    }
    this.#send(this.#outbox.begin({ clientId: this.clientId, key: this.#key, csn: this.#csn + 1 }));
  }

  /** Says something to the others, or to some of them, that isn't kept. */
  signal(content, targetedClients) {
    if (!this.isConnected) return;
    const item = targetedClients === undefined ? content : { signal: content, targetedClients };
    this.#channel.push("submitSignal", { clientId: this.clientId, contentBatches: [item] });
  }

  /** Ops after a sequence number, from the log. @returns {Promise<{ops: object[], head: number, more: boolean}>} */
  request(from) {
    return ask(this.#channel, "requestOps", { from });
  }

  /**
   * Proposes a summary of everything up to `seen`.
   *
   * @param {Uint8Array} bytes
   * @param {(bytes: Uint8Array) => Promise<string>} store Resolves to the summary's handle.
   */
  async summarize(bytes, store) {
    const { seen } = this;
    const attempt = this.#attempt;
    const handle = await store(bytes);
    if (attempt !== this.#attempt) return;
    const op = {
      type: "summarize",
      clientSequenceNumber: ++this.#csn,
      referenceSequenceNumber: seen,
      contents: { handle, head: this.summary?.handle ?? "", message: "" },
    };
    try {
      await ask(this.#channel, "submitOp", { clientId: this.clientId, messageBatches: [[op]] });
    } catch {
      // Its number wasn't used, but later ones may have been: on a new connection they begin anew.
      if (attempt === this.#attempt) this.reopen();
    }
  }

  close() {
    this.#attempt++;
    this.#channel?.leave();
  }

  // ── connecting ───────────────────────────────────────────────────────────────────────────────────────────────

  #open() {
    const channel = this.#socket.channel(`document:${TENANT}:${this.#document}`);
    this.#channel = channel;
    // One that we have left may still hear of what was under way.
    const current = (handle) => (payload) => {
      if (channel === this.#channel) handle(payload);
    };
    const on = (event, handle) => channel.on(event, current(handle));
    on("connect_document_success", (success) => this.#connected(success));
    on("op", ({ op }) => this.#stream.take(op));
    on("signal", (signal) => this.#receiveSignal(signal));
    on("token_expiring", () => this.#renewToken());
    // The server's session begins anew, and so do we.
    on("resync", () => {
      this.#stream.seen = 0;
    });
    channel.onError(current(() => this.#lost()));
    // Also called whenever the client has joined again by itself.
    channel.join().receive(
      "ok",
      current(() => this.#connect()),
    );
  }

  /** Begins anew on a channel of its own, and takes up where the old one was. */
  reopen() {
    this.#lost();
    this.#channel.leave();
    this.#open();
  }

  async #connect() {
    const attempt = ++this.#attempt;
    try {
      const token = await this.#api.token(this.#document, this.#mode);
      if (attempt !== this.#attempt) return;
      const connected = await ask(this.#channel, "connect_document", {
        tenantId: TENANT,
        id: this.#document,
        token,
        client: { mode: this.#mode },
        mode: this.#mode,
        versions: ["^0.4.0"],
        // Who has nothing begins with the latest summary.
        ...(this.seen === 0 ? {} : { lastSeenSequenceNumber: this.seen }),
        ...this.#resumption(),
      });
      if (attempt === this.#attempt) this.#begin(connected);
    } catch (error) {
      if (attempt === this.#attempt) this.#failed(error);
    }
  }

  /** Only who was connected can learn what has become of what it sent. */
  #resumption() {
    const { sent } = this.#outbox;
    if (sent !== null) return { resume: { clientId: sent.clientId, key: sent.key } };
    return this.#key === null ? {} : { resume: { clientId: this.clientId, key: this.#key } };
  }

  #begin({ clientId, key, resumed }) {
    const { sent } = this.#outbox;
    this.clientId = clientId;
    this.#key = key;
    this.#csn = 0;
    this.#busy = false;
    if (sent === null) return;
    // What the server hadn't taken by now, it never will: it may be sent again, under the new id.
    if (resumed?.clientId === sent.clientId && resumed.lastClientSequenceNumber >= sent.csn) {
      this.#outbox.done();
    } else {
      this.#outbox.takeBack();
    }
  }

  #connected(success) {
    const { initialClients, initialMessages, checkpointSequenceNumber, summaryContext } = success;
    this.clients = new Map(initialClients.map(({ clientId, client }) => [clientId, client]));
    this.#maxMessageSize = success.maxMessageSize;
    this.#listedAt = checkpointSequenceNumber;
    this.summary = summaryContext ?? null;
    this.state = "connected";
    this.#stream.begin(initialMessages, checkpointSequenceNumber);
    this.#changed("state");
    this.#changed("clients");
    this.flush();
  }

  #lost() {
    this.#attempt++;
    this.#stream.stop();
    this.#busy = false;
    if (this.state !== "refused") this.#setState("offline");
  }

  #failed({ code, reason, message, retryAfter, floor }) {
    if (reason === "resync") {
      // Either the log no longer has what we lack, or we have what the log has lost.
      this.#stream.seen = 0;
      if (floor === undefined) this.#changed("rollback");
      this.reopen();
      return;
    }
    if (code === 404 || code === 403 || code === 422) {
      this.reason = message ?? reason;
      this.#setState("refused");
      return;
    }
    const attempt = this.#attempt;
    setTimeout(
      () => {
        if (attempt === this.#attempt) this.reopen();
      },
      retryAfter === undefined ? RETRY_AFTER : retryAfter * 1000,
    );
  }

  async #renewToken() {
    try {
      const token = await this.#api.token(this.#document, this.#mode);
      await ask(this.#channel, "access_token", { token });
    } catch {
      // Without it the server ends the channel, and we connect again.
    }
  }

  // ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────

  async #send({ csn, edit }) {
    const attempt = this.#attempt;
    clearTimeout(this.#noop);
    this.#noop = null;
    this.#busy = true;
    this.#csn = csn;
    const op = {
      type: "op",
      clientSequenceNumber: csn,
      referenceSequenceNumber: this.seen,
      contents: edit,
    };
    try {
      await ask(this.#channel, "submitOp", { clientId: this.clientId, messageBatches: [[op]] });
      if (attempt !== this.#attempt) return;
      this.#busy = false;
      this.#outbox.done();
      this.#changed("saved");
      this.flush();
    } catch (error) {
      if (attempt !== this.#attempt) return;
      if (FINAL.has(error.reason)) {
        this.problem = `What you wrote can't be saved: ${error.message ?? error.reason}.`;
        this.#changed("state");
      }
      // The server keeps the number free for it.
      else if (error.reason === "throttled") setTimeout(() => this.#sendAgain(attempt), RETRY_AFTER);
      // Whatever else it was: connecting again tells what was taken, and what has to be sent again.
      else this.#failed(error);
    }
  }

  #sendAgain(attempt) {
    if (attempt === this.#attempt) this.#send(this.#outbox.sent);
  }

  // ── receiving ────────────────────────────────────────────────────────────────────────────────────────────────

  #take(ops) {
    for (const op of ops) this.#follow(op);
    if (ops.some(({ type, clientId }) => type === "op" && clientId !== this.clientId)) this.#noopLater();
    this.dispatchEvent(new CustomEvent("ops", { detail: ops }));
  }

  /** Tells the server how far we are, for it to know what everybody has; unless an op of ours does. */
  #noopLater() {
    if (this.#mode === "read") return;
    this.#noop ??= setTimeout(() => {
      this.#noop = null;
      if (!this.isConnected) return;
      this.#channel.push("noop", { clientId: this.clientId, referenceSequenceNumber: this.seen });
    }, NOOP_AFTER);
  }

  /** What the log says of the clients and of summaries. */
  #follow({ sequenceNumber, referenceSequenceNumber, type, contents }) {
    const isNews = sequenceNumber > this.#listedAt;
    if (type === "join" && isNews) {
      const { clientId, detail } = contents;
      this.clients.set(clientId, detail);
      this.#changed("clients");
    } else if (type === "leave" && isNews) {
      this.clients.delete(contents);
      this.#changed("clients");
    } else if (type === "summarize") {
      // It covers what its author had seen.
      this.#proposed = { handle: contents.handle, sequenceNumber: referenceSequenceNumber };
    } else if (type === "summaryAck") {
      this.summary = this.#proposed;
    }
  }

  #receiveSignal({ clientId, content }) {
    if (clientId !== null) {
      this.dispatchEvent(new CustomEvent("signal", { detail: { clientId, content } }));
      return;
    }
    // Of those who only read the log says nothing.
    const { type, content: about } = JSON.parse(content);
    if (type === "join") this.clients.set(about.clientId, about.client);
    else if (type === "leave") this.clients.delete(about);
    this.#changed("clients");
  }

  #setState(state) {
    this.state = state;
    this.#changed("state");
  }

  #changed(what) {
    this.dispatchEvent(new Event(what));
  }
}

/** A push as a promise. It rejects with the error reply. */
function ask(channel, event, payload) {
  return new Promise((resolve, reject) => {
    channel
      .push(event, payload)
      .receive("ok", resolve)
      .receive("error", reject)
      .receive("timeout", () => reject({ reason: "timeout" }));
  });
}

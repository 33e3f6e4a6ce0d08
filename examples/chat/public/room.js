import { Presence } from "/modules/phoenix.mjs";
import { errorText } from "/shared/dom.js";
import { Outbox } from "./outbox.js";

const MAX_MESSAGES = 500;
const TYPING_EVERY = 2_000;
const TYPING_LASTS = 4_000;

/**
 * One room, joined for as long as the page is open. Events: "message" (with the message), "reset" when `messages`
 * are others than before, "outbox", "typing", "people", "state".
 */
export class Room extends EventTarget {
  /** "joining", "joined", or "missing" if there is no such room. */
  state = "joining";
  author = null;
  messages = [];
  #socket;
  #channel;
  #presence;
  #epoch = "";
  #lastId = 0;
  #outbox;
  #typists = new Map();
  #typingSentAt = null;
  #joins = 0;

  constructor(name, socket) {
    super();
    this.name = name;
    this.#socket = socket;
    this.#outbox = new Outbox(name);
    this.open();
  }

  /** Joins; also again, after the room was missing. */
  open() {
    // The params are a function, which every rejoin calls: it asks for what came after the last message seen.
    const channel = this.#socket.channel(`room:${this.name}`, () => ({
      epoch: this.#epoch,
      after: this.#lastId,
    }));
    this.#channel = channel;
    this.#presence = new Presence(channel);
    this.#presence.onSync(() => this.#changed("people"));
    this.#setState("joining");
    channel.on("message", (message) => this.#receive(message));
    channel.on("typing", (typist) => this.#showTyping(typist));
    channel.onError(() => {
      this.#typingSentAt = null;
      this.#clearTypists();
      if (this.state === "joined") this.#setState("joining");
    });
    channel
      .join()
      .receive("ok", (reply) => this.#joined(reply))
      .receive("error", ({ reason }) => {
        // Any other error may pass, and the channel tries again by itself.
        if (reason !== "no such room") return;
        channel.leave();
        this.#setState("missing");
      });
  }

  get unsent() {
    return this.#outbox.entries;
  }

  /**
   * Who is here, and in how many tabs.
   *
   * @returns {{author: string, name: string, tabs: number}[]}
   */
  get people() {
    return this.#presence.list((author, { metas }) => ({
      author,
      // The newest meta has the newest name.
      name: metas.at(-1).name,
      // A tab that has just reconnected may still be there with its old connection too.
      tabs: new Set(metas.map(({ tab }) => tab)).size,
    }));
  }

  /** Whether `people` is how it was, rather than how it is. */
  get peopleUncertain() {
    return this.state !== "joined" || this.#presence.inPendingSyncState();
  }

  /** Names of those who are writing. */
  get typists() {
    return [...this.#typists.values()].map(({ name }) => name);
  }

  send(body) {
    this.#typingSentAt = null;
    const { key } = this.#outbox.add(body);
    this.#changed("outbox");
    this.#push(key, body);
  }

  retry(key) {
    const entry = this.unsent.find((unsent) => unsent.key === key);
    if (entry === undefined) return;
    this.#outbox.mark(key, {});
    this.#changed("outbox");
    this.#push(key, entry.body);
  }

  discard(key) {
    if (this.#outbox.remove(key)) this.#changed("outbox");
  }

  /** Says that we are writing, at most every two seconds, or that we no longer are. */
  setTyping(typing) {
    const now = Date.now();
    if (typing ? now - (this.#typingSentAt ?? 0) < TYPING_EVERY : this.#typingSentAt === null) return;
    if (this.state !== "joined") return;
    this.#typingSentAt = typing ? now : null;
    this.#channel.push("typing", { typing });
  }

  #joined({ epoch, messages, author }) {
    const [first] = messages;
    const gap = first !== undefined && first.id > this.#lastId + 1;
    if (epoch !== this.#epoch || gap) {
      // The first join, another history, or so long away that the server no longer has all we missed.
      this.messages = [];
      this.#lastId = 0;
    }
    this.#epoch = epoch;
    this.author = author;
    this.#joins++;
    this.#setState("joined");
    const reset = this.messages.length === 0;
    for (const message of messages) this.#receive(message, reset);
    if (reset) this.#changed("reset");
    // What was sent without an answer may have arrived: the server knows it by its key, and keeps it once.
    for (const { key, body, error } of this.unsent) if (error === undefined) this.#push(key, body);
  }

  #receive(message, quiet = false) {
    if (message.id <= this.#lastId) return;
    this.#lastId = message.id;
    this.messages.push(message);
    if (this.messages.length > MAX_MESSAGES) this.messages.shift();
    const mine = message.author === this.author && this.#outbox.remove(message.key);
    this.#stopTyping(message.author);
    if (!quiet) this.dispatchEvent(new CustomEvent("message", { detail: message }));
    if (mine) this.#changed("outbox");
  }

  #push(key, body) {
    // Otherwise it goes when the room is joined.
    if (this.state !== "joined") return;
    const join = this.#joins;
    this.#channel
      .push("message", { key, body })
      .receive("ok", () => this.discard(key))
      .receive("error", (reply) => this.#failed(key, errorText(reply), reply.issues !== undefined))
      .receive("timeout", () => {
        // If the connection went meanwhile, the rejoin sent the message again, or will.
        if (this.state === "joined" && join === this.#joins) {
          this.#failed(key, "The server didn't answer.", false);
        }
      });
  }

  #failed(key, error, fixable) {
    this.#outbox.mark(key, { error, fixable });
    this.#changed("outbox");
  }

  #showTyping({ author, name, typing }) {
    if (author === this.author) return;
    if (!typing) return this.#stopTyping(author);
    clearTimeout(this.#typists.get(author)?.timer);
    const timer = setTimeout(() => this.#stopTyping(author), TYPING_LASTS);
    this.#typists.set(author, { name, timer });
    this.#changed("typing");
  }

  #stopTyping(author) {
    const typist = this.#typists.get(author);
    if (typist === undefined) return;
    clearTimeout(typist.timer);
    this.#typists.delete(author);
    this.#changed("typing");
  }

  #clearTypists() {
    for (const author of [...this.#typists.keys()]) this.#stopTyping(author);
  }

  #setState(state) {
    this.state = state;
    this.#changed("state");
  }

  #changed(what) {
    this.dispatchEvent(new Event(what));
  }
}

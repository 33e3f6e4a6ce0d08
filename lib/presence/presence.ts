import { randomBytes } from "node:crypto";
import type { ChannelContext } from "../channel/context.ts";
import type { Channel } from "../channel.ts";
import { assertTopic, RESERVED } from "../connection/arguments.ts";
import type { EndpointInternals } from "../endpoint/internals.ts";
import { Endpoint, endpointInternals } from "../endpoint.ts";
import { ConfigError, describe, StateError } from "../errors.ts";
import { encodePayload } from "../protocol/payload.ts";
import type { Socket } from "../socket.ts";
import {
  assertKey,
  checkMeta,
  optionalTarget,
  type PresenceOptions,
  presenceOptions,
  target,
} from "./arguments.ts";
import { decorate } from "./decorate.ts";
import { DiffQueue } from "./diff.ts";
import { type Diff, type Entries, type Meta, type PresenceEntry, sealed, Topics } from "./entries.ts";
import { Reactions } from "./reactions.ts";
import { type Entry, Tracker, type TrackerMessage } from "./tracker.ts";

type AnyChannel = Channel<object, Socket<object>>;

/** What `update` takes: a new meta, or what makes it from the old one. */
export type MetaUpdate = object | ((meta: Meta) => object);

/** The refs of one channel's entries, by topic and key. */
type Owned = Map<string, Map<string, string>>;

/** The names of each endpoint's presences. */
const claimed = new WeakMap<Endpoint, Set<string>>();

/**
 * Who is here (`Phoenix.Presence`). Entries are tracked by channels and leave with them; clients get
 * `presence_state` from the app and `presence_diff` from here, as the official client's `Presence` expects.
 *
 * Subclass it to decorate entries (`fetch`) or to react to them (`handleMetas`). Make one for an endpoint, and
 * keep it.
 */
export class Presence {
  readonly #internals: EndpointInternals;
  readonly #tracker: Tracker;
  readonly #topics = new Topics();
  readonly #owned = new WeakMap<ChannelContext, Owned>();
  readonly #diffs = new DiffQueue();
  readonly #reactions: Reactions;
  readonly #refPrefix = randomBytes(6).toString("base64url");
  #refs = 0;
  #flushing = false;
  /** Topics whose diff waits for `fetch`. What changes meanwhile is merged into their next one. */
  readonly #fetching = new Set<string>();
  /** Calls of `fetch` that haven't answered. */
  #decorating = 0;
  /** Lists asked for in this turn, and who waits for them. */
  #lists = new Map<string, ((entries: Entries | Promise<Entries>) => void)[]>();

  /** @throws ConfigError (`invalid_argument`, `invalid_option`, `unknown_option`) */
  constructor(endpoint: Endpoint, options?: PresenceOptions) {
    if (!(endpoint instanceof Endpoint)) {
      throw new ConfigError("invalid_argument", `new Presence needs an Endpoint, got ${describe(endpoint)}`);
    }
    const { name, ...timing } = presenceOptions(options, new.target.name);
    claim(endpoint, name);
    this.#internals = endpointInternals(endpoint);
    const { pubsub, clock, logger } = this.#internals;
    this.#internals.show({ presences: () => this.#topics.all() });
    this.#reactions = new Reactions(
      (topic, diff, presences) => this.handleMetas(topic, diff, presences),
      (topic, err) => logger.error({ err, topic }, "Presence.handleMetas crashed"),
    );
    const replica = randomBytes(12).toString("base64url");
    const all = `${RESERVED}presence:${name}`;
    this.#tracker = new Tracker({
      replica,
      clock,
      ...timing,
      send: (message, to) =>
        pubsub.publish(to === undefined ? all : `${all}:${to}`, "presence", encodePayload(message)),
      onJoin: (entry) => this.#joined(entry),
      onLeave: (entry) => this.#left(entry),
    });
    this.#internals.onInFlight(() => this.#inFlight());
    if (!pubsub.distributed) return;
    const receive = ({ payload }: { readonly payload: unknown }) =>
      this.#tracker.receive(payload as TrackerMessage);
    const removers = [pubsub.listen(all, receive), pubsub.listen(`${all}:${replica}`, receive)];
    this.#tracker.start();
    this.#internals.onClose(() => {
      this.#tracker.stop();
      for (const remove of removers) remove();
    });
  }

  /**
   * Tracks a channel as present: on its own topic unless another is named. One channel may track several keys
   * and topics, and one key may be tracked by many channels; each is a meta of its own.
   *
   * @param meta Plain data for all to see; `phx_ref` is added.
   * @returns The entry's `phx_ref`; null if the channel has ended.
   * @throws StateError (`already_tracked`), PayloadError (`invalid_payload`), ConfigError (`invalid_argument`)
   */
  async track(channel: AnyChannel, key: string, meta: object): Promise<string | null>;
  async track(channel: AnyChannel, topic: string, key: string, meta: object): Promise<string | null>;
  async track(channel: AnyChannel, ...rest: unknown[]): Promise<string | null> {
    const [names, last] = split(rest);
    const { context, topic, key } = target("track", channel, names);
    const meta = checkMeta("track", last);
    if (context.ended) return null;
    const keys = this.#keys(context, topic);
    if (keys.has(key)) {
      throw new StateError(
        "already_tracked",
        `track: the channel tracks ${describe(key)} on ${describe(topic)} already; use update to change its meta`,
      );
    }
    return this.#add(keys, topic, key, meta, undefined);
  }

  /**
   * Ends the tracking of a key, on the channel's own topic unless another is named; without a key, of all that the
   * channel tracks on its own topic. What isn't tracked is no error.
   *
   * @throws ConfigError (`invalid_argument`)
   */
  async untrack(channel: AnyChannel, key?: string): Promise<void>;
  async untrack(channel: AnyChannel, topic: string, key: string): Promise<void>;
  async untrack(channel: AnyChannel, ...rest: unknown[]): Promise<void> {
    const { context, topic, key } = optionalTarget("untrack", channel, rest);
    const keys = this.#owned.get(context)?.get(topic);
    if (keys === undefined) return;
    for (const tracked of key === undefined ? [...keys.keys()] : [key]) {
      const ref = keys.get(tracked);
      keys.delete(tracked);
      if (ref !== undefined) this.#tracker.remove(ref);
    }
  }

  /**
   * Changes a tracked meta, by a new one or by a function of the old one. Clients get one diff with the old meta
   * leaving and the new one joining, whose `phx_ref_prev` names the old.
   *
   * @returns The new `phx_ref`; null if the channel has ended.
   * @throws StateError (`not_tracked`), PayloadError (`invalid_payload`), ConfigError (`invalid_argument`)
   */
  async update(channel: AnyChannel, key: string, meta: MetaUpdate): Promise<string | null>;
  async update(channel: AnyChannel, topic: string, key: string, meta: MetaUpdate): Promise<string | null>;
  async update(channel: AnyChannel, ...rest: unknown[]): Promise<string | null> {
    const [names, last] = split(rest);
    const { context, topic, key } = target("update", channel, names);
    if (context.ended) return null;
    const keys = this.#keys(context, topic);
    const old = this.#topics.get(topic, key, keys.get(key) ?? "");
    if (old === undefined) {
      throw new StateError(
        "not_tracked",
        `update: the channel doesn't track ${describe(key)} on ${describe(topic)}; call track first`,
      );
    }
    const meta = checkMeta("update", typeof last === "function" ? last(old.meta) : last);
    // The function is the app's: it may have ended the channel, or untracked the key.
    if (context.ended || keys.get(key) !== old.ref) return null;
    // What nobody has been told of yet can't be what they see replaced.
    const previous = this.#diffs.holds(old) ? old.meta.phx_ref_prev : old.ref;
    this.#tracker.remove(old.ref);
    return this.#add(keys, topic, key, meta, previous);
  }

  /**
   * Who is present on a topic, on all nodes: `{key: {metas: [...]}}`, decorated by `fetch`. Push it as
   * `presence_state` once the channel is joined; all who ask in one turn of the event loop share one answer, which
   * is frozen and encoded once.
   *
   * @throws ConfigError (`invalid_argument`)
   */
  async list(topic: string): Promise<Entries> {
    assertTopic("list", topic);
    return new Promise<Entries>((resolve) => {
      const waiting = this.#lists.get(topic);
      if (waiting === undefined) this.#lists.set(topic, [resolve]);
      else waiting.push(resolve);
      this.#flushSoon();
    });
  }

  /**
   * What is present under one key on a topic, decorated by `fetch`; undefined if nothing is.
   *
   * @throws ConfigError (`invalid_argument`)
   */
  async getByKey(topic: string, key: string): Promise<PresenceEntry | undefined> {
    assertTopic("getByKey", topic);
    assertKey("getByKey", key);
    const entries = this.#topics.entries(topic, key);
    return (await this.#decorated(topic, entries, (fetched) => decorate(entries, fetched)))[key];
  }

  /**
   * Decorates entries before clients see them, as from a database: override it and return an object with more
   * beside each key's `metas`, which stay as they are. It is called once for a diff, with all its keys, and once
   * for a list. What it throws is logged, and the entries go out undecorated. A topic's next diff waits for it, and
   * holds all that has changed meanwhile.
   */
  fetch(_topic: string, entries: Entries): Entries | Promise<Entries> {
    return entries;
  }

  /**
   * Reacts to the diffs of a topic on this node, one at a time and in order: override it. `presences` is what is
   * present after the diff, and is kept up to date from one call to the next: copy what you keep. What it throws is
   * logged.
   */
  handleMetas(_topic: string, _diff: Diff, _presences: Entries): void | Promise<void> {}

  // ── entries ────────────────────────────────────────────────────────────────────────────────────────────────

  /** The refs of what a channel tracks on a topic, by key. */
  #keys(context: ChannelContext, topic: string): Map<string, string> {
    let owned = this.#owned.get(context);
    if (owned === undefined) {
      owned = new Map();
      this.#owned.set(context, owned);
      context.onEnd(() => this.#ended(context));
    }
    let keys = owned.get(topic);
    if (keys === undefined) {
      keys = new Map();
      owned.set(topic, keys);
    }
    return keys;
  }

  #ended(context: ChannelContext): void {
    const owned = this.#owned.get(context);
    for (const keys of owned?.values() ?? []) for (const ref of keys.values()) this.#tracker.remove(ref);
  }

  #add(keys: Map<string, string>, topic: string, key: string, data: Meta, previous: unknown): string {
    const ref = `${this.#refPrefix}${(this.#refs++).toString(36)}`;
    // A function of the old meta may have kept its refs.
    const { phx_ref: _, phx_ref_prev: __, ...own } = data;
    const refs = previous === undefined ? { phx_ref: ref } : { phx_ref: ref, phx_ref_prev: previous };
    keys.set(key, ref);
    this.#tracker.add({ ref, topic, key, meta: Object.freeze({ ...own, ...refs }) });
    return ref;
  }

  #joined(entry: Entry): void {
    this.#topics.add(entry);
    this.#diffs.join(entry);
    this.#flushSoon();
  }

  #left(entry: Entry): void {
    this.#topics.remove(entry);
    this.#diffs.leave(entry);
    this.#flushSoon();
  }

  // ── the end of a turn ──────────────────────────────────────────────────────────────────────────────────────

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    this.#tracker.flush();
    for (const [topic, diff] of this.#diffs.take(this.#fetching)) this.#announce(topic, diff);
    const lists = this.#lists;
    this.#lists = new Map();
    for (const [topic, waiting] of lists) {
      const entries = this.#topics.entries(topic);
      const answer = this.#decorated(topic, entries, (fetched) => decorate(entries, fetched));
      for (const resolve of waiting) resolve(answer);
    }
  }

  #announce(topic: string, diff: Diff): void {
    if (this.#internals.pubsub.count(topic) === 0 && !this.#reacts) return;
    if (!this.#decorates) {
      this.#deliver(topic, diff);
      return;
    }
    const { joins, leaves } = diff;
    const both: Entries = Object.freeze(Object.assign(Object.create(null), leaves, joins));
    const make = (fetched: unknown) =>
      sealed({ joins: decorate(joins, fetched), leaves: decorate(leaves, fetched) });
    this.#fetching.add(topic);
    void this.#decorated(topic, both, make).then((decorated) => {
      this.#deliver(topic, decorated);
      this.#fetching.delete(topic);
      if (this.#diffs.has(topic)) this.#flushSoon();
    });
  }

  #deliver(topic: string, diff: Diff): void {
    this.#internals.pubsub.localBroadcast(topic, "presence_diff", encodePayload(diff));
    if (this.#reacts) this.#reactions.add(topic, diff);
  }

  #inFlight(): string[] {
    const found: string[] = [];
    if (this.#flushing) found.push("a presence_diff or list is about to go out");
    if (this.#decorating > 0) found.push(`${this.#decorating} fetch(es) of presence haven't answered`);
    if (this.#reactions.running > 0)
      found.push(`${this.#reactions.running} handleMetas of presence are running`);
    return found;
  }

  get #decorates(): boolean {
    return this.fetch !== Presence.prototype.fetch;
  }

  get #reacts(): boolean {
    return this.handleMetas !== Presence.prototype.handleMetas;
  }

  /** What `make` makes of what `fetch` returns for the entries, or of themselves if it fails. */
  async #decorated<T extends object>(
    topic: string,
    entries: Entries,
    make: (fetched: unknown) => T,
  ): Promise<T> {
    if (this.#decorates && Object.keys(entries).length > 0) {
      this.#decorating++;
      try {
        const made = make(await this.fetch(topic, entries));
        // Here, where it can be mended, and not where a channel pushes it.
        encodePayload(made);
        return made;
      } catch (err) {
        this.#internals.logger.error(
          { err, topic },
          "Presence.fetch crashed: the entries go out undecorated",
        );
      } finally {
        this.#decorating--;
      }
    }
    return make(entries);
  }
}

/** @throws ConfigError (`invalid_argument`): two of one name would each know half of who is here. */
function claim(endpoint: Endpoint, name: string): void {
  const taken = claimed.get(endpoint) ?? new Set();
  if (taken.has(name)) {
    throw new ConfigError(
      "invalid_argument",
      `the endpoint has a Presence ${describe(name)} already; share that one, or give this one another name`,
    );
  }
  claimed.set(endpoint, taken.add(name));
}

/** The names in the arguments of `track` and `update`, and what follows them. */
function split(args: readonly unknown[]): [names: readonly unknown[], last: unknown] {
  return args.length > 2 ? [args.slice(0, 2), args[2]] : [args.slice(0, 1), args[1]];
}

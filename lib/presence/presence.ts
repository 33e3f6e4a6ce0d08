import { randomBytes } from "node:crypto";
import { Channel, type ChannelContext, channelContext } from "../channel.ts";
import { assertTopic, RESERVED } from "../connection/arguments.ts";
import { Endpoint, type EndpointInternals, endpointInternals } from "../endpoint.ts";
import { ConfigError, describe, StateError } from "../errors.ts";
import { checkOptions, integer } from "../options.ts";
import { encodePayload, shareEncoding } from "../protocol/payload.ts";
import type { Socket } from "../socket.ts";
import { type Diff, DiffQueue, type Entries, snapshot, type TopicState } from "./diff.ts";
import { type Entry, Tracker, type TrackerMessage } from "./tracker.ts";

type AnyChannel = Channel<object, Socket<object>>;

export type { Diff, Entries, Meta, PresenceEntry } from "./diff.ts";

/** What `update` takes: a new meta, or what makes it from the old one. */
export type MetaUpdate = object | ((meta: Readonly<Record<string, unknown>>) => object);

export interface PresenceOptions {
  /** Presences of one name on all nodes share their entries. @default the class's name */
  readonly name?: string;
  /** Milliseconds between signs of life to other nodes. @default 1_500 */
  readonly heartbeatMs?: number;
  /** Milliseconds of silence after which a node's entries leave. @default 30_000 */
  readonly downPeriodMs?: number;
}

const OPTIONS = {
  name: (value: unknown, name: string) => {
    if (typeof value === "string" && value !== "") return value;
    throw new ConfigError("invalid_option", `${name} must be a name, got ${describe(value)}`);
  },
  heartbeatMs: integer(1, "milliseconds"),
  downPeriodMs: integer(1, "milliseconds"),
};

/** The refs of one channel's entries, by topic and key. */
type Owned = Map<string, Map<string, string>>;

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
  readonly #topics = new Map<string, TopicState>();
  readonly #owned = new WeakMap<ChannelContext, Owned>();
  readonly #diffs = new DiffQueue(() => this.#flushSoon());
  readonly #decorates: boolean;
  readonly #reacts: boolean;
  readonly #refPrefix = randomBytes(6).toString("base64url");
  #refs = 0;
  #flushing = false;
  /** The end of each topic's latest diff that waits for `fetch`: the next one follows it. */
  readonly #sending = new Map<string, Promise<void>>();
  /** Lists asked for in this turn, and who waits for them. */
  #lists = new Map<string, ((entries: Entries | PromiseLike<Entries>) => void)[]>();

  /** @throws ConfigError (`invalid_argument`, `invalid_option`, `unknown_option`) */
  constructor(endpoint: Endpoint, options?: PresenceOptions) {
    if (!(endpoint instanceof Endpoint)) {
      throw new ConfigError("invalid_argument", `new Presence needs an Endpoint, got ${describe(endpoint)}`);
    }
    const checked = checkOptions<PresenceOptions>(options, OPTIONS, "new Presence");
    const { name = new.target.name, heartbeatMs = 1_500, downPeriodMs = 30_000 } = checked;
    const internals = endpointInternals(endpoint);
    const { pubsub, clock } = internals;
    const replica = randomBytes(12).toString("base64url");
    const all = `${RESERVED}presence:${name}`;
    this.#internals = internals;
    this.#decorates = this.fetch !== Presence.prototype.fetch;
    this.#reacts = this.handleMetas !== Presence.prototype.handleMetas;
    this.#tracker = new Tracker({
      replica,
      clock,
      heartbeatMs,
      downPeriodMs,
      send: (message, to) =>
        pubsub.publish(to === undefined ? all : `${all}:${to}`, "presence", encodePayload(message)),
      onJoin: (entry) => this.#joined(entry),
      onLeave: (entry) => this.#left(entry),
    });
    if (!pubsub.distributed) return;
    const receive = ({ payload }: { readonly payload: unknown }) =>
      this.#tracker.receive(payload as TrackerMessage);
    const removers = [pubsub.listen(all, receive), pubsub.listen(`${all}:${replica}`, receive)];
    this.#tracker.start();
    internals.onClose(() => {
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
    const { context, topic, key, last } = target("track", channel, rest);
    const data = checkMeta("track", last);
    if (context.ended) return null;
    const keys = this.#keys(context, topic);
    if (keys.has(key)) {
      throw new StateError(
        "already_tracked",
        `track: the channel tracks ${describe(key)} on ${describe(topic)} already; use update to change its meta`,
      );
    }
    return this.#add(keys, topic, key, data);
  }

  /**
   * Ends the tracking of a key, or of all that a channel tracks on a topic. What isn't tracked is no error.
   */
  async untrack(channel: AnyChannel, key?: string): Promise<void>;
  async untrack(channel: AnyChannel, topic: string, key: string): Promise<void>;
  async untrack(channel: AnyChannel, ...rest: unknown[]): Promise<void> {
    const context = contextOf("untrack", channel);
    const [topic, key] = rest.length === 2 ? rest : [context.topic, rest[0]];
    const keys = this.#owned.get(context)?.get(String(topic));
    if (keys === undefined) return;
    for (const tracked of key === undefined ? [...keys.keys()] : [String(key)]) {
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
    const { context, topic, key, last } = target("update", channel, rest);
    if (context.ended) return null;
    const keys = this.#keys(context, topic);
    const previous = keys.get(key);
    const old = previous === undefined ? undefined : this.#topics.get(topic)?.get(key)?.get(previous);
    if (previous === undefined || old === undefined) {
      throw new StateError(
        "not_tracked",
        `update: the channel doesn't track ${describe(key)} on ${describe(topic)}; call track first`,
      );
    }
    const data = checkMeta("update", typeof last === "function" ? last(old.meta) : last);
    this.#tracker.remove(previous);
    return this.#add(keys, topic, key, { ...data, phx_ref_prev: previous });
  }

  /**
   * Who is present on a topic, on all nodes: `{key: {metas: [...]}}`, decorated by `fetch`. Push it as
   * `presence_state`; all who ask in one turn of the event loop share one answer, which is encoded once.
   */
  list(topic: string): Promise<Entries> {
    return new Promise((resolve, reject) => {
      try {
        assertTopic("list", topic);
      } catch (error) {
        reject(error);
        return;
      }
      const waiting = this.#lists.get(topic);
      if (waiting === undefined) this.#lists.set(topic, [resolve]);
      else waiting.push(resolve);
      this.#flushSoon();
    });
  }

  /** The entry of one key on a topic, decorated by `fetch`; undefined if there is none. */
  async getByKey(topic: string, key: string): Promise<Entries[string] | undefined> {
    const refs = this.#topics.get(topic)?.get(key);
    if (refs === undefined) return undefined;
    const entries = await this.#decorate(topic, snapshot(new Map([[key, refs]])));
    return entries[key];
  }

  /**
   * Decorates entries before clients see them, as from a database: override it and return the entries with more
   * beside their `metas`. It is called once for a diff, with all its keys, and once for a list. What it throws is
   * logged, and the entries go out undecorated.
   */
  fetch(_topic: string, entries: Entries): Entries | Promise<Entries> {
    return entries;
  }

  /**
   * Reacts to a diff on this node: override it. `presences` is what is present after it. What it throws is logged.
   */
  handleMetas(_topic: string, _diff: Diff, _presences: Entries): void | Promise<void> {}

  // ── entries ────────────────────────────────────────────────────────────────────────────────────────────────

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
    this.#owned.delete(context);
    for (const keys of owned?.values() ?? []) for (const ref of keys.values()) this.#tracker.remove(ref);
  }

  #add(keys: Map<string, string>, topic: string, key: string, data: object): string {
    const ref = `${this.#refPrefix}${(this.#refs++).toString(36)}`;
    keys.set(key, ref);
    this.#tracker.add({ ref, topic, key, meta: Object.freeze({ ...data, phx_ref: ref }) });
    return ref;
  }

  #joined(entry: Entry): void {
    const { topic, key, ref } = entry;
    let keys = this.#topics.get(topic);
    if (keys === undefined) {
      keys = new Map();
      this.#topics.set(topic, keys);
    }
    const refs = keys.get(key);
    if (refs === undefined) keys.set(key, new Map([[ref, entry]]));
    else refs.set(ref, entry);
    this.#diffs.join(entry);
  }

  #left(entry: Entry): void {
    const { topic, key, ref } = entry;
    const keys = this.#topics.get(topic);
    const refs = keys?.get(key);
    if (keys === undefined || refs === undefined) return;
    refs.delete(ref);
    if (refs.size === 0) keys.delete(key);
    if (keys.size === 0) this.#topics.delete(topic);
    this.#diffs.leave(entry);
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
    for (const [topic, diff] of this.#diffs.take()) this.#send(topic, diff);
    const lists = this.#lists;
    this.#lists = new Map();
    for (const [topic, waiting] of lists) {
      const state = this.#topics.get(topic) ?? new Map();
      const entries = this.#decorate(topic, snapshot(state)).then(shareEncoding);
      for (const resolve of waiting) resolve(entries);
    }
  }

  #send(topic: string, diff: Diff): void {
    const listened = this.#internals.pubsub.count(topic) > 0;
    if (!listened && !this.#reacts) return;
    const before = this.#sending.get(topic);
    if (!this.#decorates && before === undefined) {
      this.#deliver(topic, diff);
      return;
    }
    const sending = Promise.all([this.#decorateDiff(topic, diff), before]).then(([decorated]) => {
      this.#deliver(topic, decorated);
      if (this.#sending.get(topic) === sending) this.#sending.delete(topic);
    });
    this.#sending.set(topic, sending);
  }

  #deliver(topic: string, diff: Diff): void {
    const { pubsub, logger } = this.#internals;
    try {
      pubsub.localBroadcast(topic, "presence_diff", encodePayload(diff));
    } catch (err) {
      logger.error({ err, topic }, "a presence_diff was not sent: what fetch returned can't be encoded");
    }
    if (!this.#reacts) return;
    const react = async () => this.handleMetas(topic, diff, await this.list(topic));
    react().catch((err: unknown) => logger.error({ err, topic }, "Presence.handleMetas crashed"));
  }

  /** One call for joins and leaves: what `fetch` adds to a key goes to both. */
  async #decorateDiff(topic: string, diff: Diff): Promise<Diff> {
    if (!this.#decorates) return diff;
    const decorated = await this.#decorate(topic, { ...diff.leaves, ...diff.joins });
    const merge = (side: Entries): Entries =>
      Object.fromEntries(Object.entries(side).map(([key, { metas }]) => [key, { ...decorated[key], metas }]));
    return { joins: merge(diff.joins), leaves: merge(diff.leaves) };
  }

  async #decorate(topic: string, entries: Entries): Promise<Entries> {
    if (!this.#decorates || Object.keys(entries).length === 0) return entries;
    try {
      const decorated: unknown = await this.fetch(topic, entries);
      if (typeof decorated === "object" && decorated !== null) return decorated as Entries;
      throw new ConfigError(
        "invalid_return",
        `Presence.fetch returned ${describe(decorated)}; expected the entries`,
      );
    } catch (err) {
      this.#internals.logger.error({ err, topic }, "Presence.fetch crashed: the entries go out undecorated");
      return entries;
    }
  }
}

function contextOf(method: string, channel: unknown): ChannelContext {
  if (channel instanceof Channel) return channelContext(channel);
  throw new ConfigError("invalid_argument", `${method} needs a channel first, got ${describe(channel)}`);
}

function target(
  method: string,
  channel: unknown,
  rest: readonly unknown[],
): { context: ChannelContext; topic: string; key: string; last: unknown } {
  const context = contextOf(method, channel);
  const [topic, key, last] = rest.length === 3 ? rest : [context.topic, rest[0], rest[1]];
  assertTopic(method, topic);
  if (typeof key !== "string") {
    throw new ConfigError("invalid_argument", `${method} needs a key, a string, got ${describe(key)}`);
  }
  return { context, topic, key, last };
}

/** A meta as others will see it, whatever becomes of the object. */
function checkMeta(method: string, meta: unknown): object {
  const json = encodePayload(meta);
  if (typeof json === "string") return JSON.parse(json);
  throw new ConfigError("invalid_argument", `${method} needs a meta, a plain object, got ${describe(meta)}`);
}

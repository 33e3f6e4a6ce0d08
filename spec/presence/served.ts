import {
  Channel,
  type Endpoint,
  type EndpointOptions,
  type HandleInResult,
  type JoinResult,
  ok,
  Socket,
  type TerminateReason,
} from "../../lib/index.ts";
import { Presence, type PresenceOptions } from "../../lib/presence/index.ts";
import { connect } from "../support/client.ts";
import type { Frame, FrameClient } from "../support/frame-client.ts";
import { serveInMemory } from "../support/memory.ts";
import type { ServedEndpoint } from "../support/server.ts";

/** What the channels of a spec do, where it matters. */
export interface Behaviour {
  join?(channel: Channel, payload: unknown): JoinResult | Promise<JoinResult>;
  info?(channel: Channel, message: unknown): void | Promise<void>;
  event?(channel: Channel, event: string, payload: unknown): HandleInResult | Promise<HandleInResult>;
  terminate?(channel: Channel, reason: TerminateReason): void | Promise<void>;
}

export type PresenceClass<P extends Presence> = new (endpoint: Endpoint, options?: PresenceOptions) => P;

export interface Setup<P extends Presence> {
  readonly presence?: PresenceClass<P>;
  readonly presenceOptions?: PresenceOptions;
  readonly endpointOptions?: EndpointOptions;
}

/** A client that has joined, and its channel on the server. */
export interface Entered {
  readonly client: FrameClient;
  readonly channel: Channel;
}

export interface ServedPresence<P extends Presence = Presence> extends ServedEndpoint {
  readonly url: string;
  readonly presence: P;
  /** May be changed at any time. */
  readonly behaviour: Behaviour;
  /** All channels that were made. */
  readonly channels: readonly Channel[];
  /** Joins a topic by a new connection, as the user named. */
  enter(topic?: string, user?: string): Promise<Entered>;
  /** What was logged as an error. */
  errors(): { readonly message: string; readonly error: unknown }[];
}

/** Serves rooms and a presence, for clients that join as users, and channels that the spec itself acts for. */
export async function servePresence<P extends Presence = Presence>(
  setup: Setup<P> = {},
): Promise<ServedPresence<P>> {
  const behaviour: Behaviour = {};
  const channels: Channel[] = [];

  class Room extends Channel {
    override join(_topic: string, payload: unknown) {
      channels.push(this);
      return behaviour.join?.(this, payload) ?? ok();
    }
    override handleInfo(message: unknown) {
      return behaviour.info?.(this, message);
    }
    override handleIn(event: string, payload: unknown) {
      return behaviour.event?.(this, event, payload) ?? ok();
    }
    override terminate(reason: TerminateReason) {
      return behaviour.terminate?.(this, reason);
    }
  }

  class UserSocket extends Socket<{ user: unknown }> {
    static override channels = { "*": Room };
    override connect(params: { readonly user?: unknown }) {
      this.assigns.user = params.user;
      return ok();
    }
    override id() {
      return `users:${this.assigns.user}`;
    }
  }

  const served = serveInMemory(UserSocket, {}, setup.endpointOptions);
  const presenceClass = setup.presence ?? (Presence as unknown as PresenceClass<P>);
  const presence = new presenceClass(served.endpoint, setup.presenceOptions);
  const enter = async (topic = "room:a", user = "nobody") => {
    const client = await connect(served.url, `vsn=2.0.0&user=${user}`);
    const [, , , , { status }] = await client.join(topic, { user });
    const channel = channels.at(-1);
    if (status !== "ok" || channel === undefined) throw new Error(`joining ${topic} was refused`);
    return { client, channel };
  };
  const errors = () =>
    served.lines
      .filter(({ level }) => level === "error")
      .map(({ message, details }) => ({ message, error: details.err }));
  return { ...served, presence, behaviour, channels, enter, errors };
}

/** Entries as messages have them: `{ann: [meta, …]}` for short. */
type Short = Readonly<Record<string, readonly object[]>>;

function long(short: Short): Record<string, unknown> {
  return Object.fromEntries(Object.entries(short).map(([key, metas]) => [key, { metas }]));
}

/** The presence_diff expected. */
export function diff(joins: Short, leaves: Short = {}, topic = "room:a"): Frame {
  return [null, null, topic, "presence_diff", { joins: long(joins), leaves: long(leaves) }];
}

/** Entries without the refs in their metas, for comparison. */
export function plain(entries: object | undefined): unknown {
  return JSON.parse(JSON.stringify(entries ?? null), (key, value) =>
    key === "phx_ref" || key === "phx_ref_prev" ? undefined : value,
  );
}

/** What a call rejects with. */
export async function rejection(call: () => Promise<unknown>): Promise<{ code?: unknown; message: string }> {
  try {
    await call();
  } catch (error) {
    return error as Error;
  }
  throw new Error("it was not rejected");
}

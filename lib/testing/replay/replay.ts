import { Endpoint, endpointInternals } from "../../endpoint.ts";
import { ConfigError, describe } from "../../errors.ts";
import { checkOptions, integer, method, type OptionCheck, strings } from "../../options.ts";
import type { BroadcastStep, ClosedStep, ConnectedStep, DecodedStep, TraceStep } from "../../tracing.ts";
import type { ClientInfo } from "../request.ts";
import { VirtualClock } from "../virtual-clock.ts";
import { planOf } from "./plan.ts";
import { Player } from "./player.ts";
import { readTrace } from "./trace-file.ts";

export interface ReplayOptions {
  /** Makes the server, with its mounts, on a virtual clock that begins at the trace's time. */
  readonly serve: (clock: VirtualClock) => Endpoint;
  /**
   * Keys, at any depth of what the server sends, whose values differ with each run, such as ids that it draws. A
   * recorded text under such a key stands for the new one wherever clients send it back. `phx_ref` is always one.
   */
  readonly volatile?: readonly string[];
  /** Called for each client: what it connects with. Needed where the recorded params were filtered. */
  readonly connect?: (step: ConnectedStep) => ReplayedConnect | undefined;
  /**
   * Called for a client's message whose payload was filtered, cut or binary, at its time: returns the payload to send.
   */
  readonly payload?: (step: DecodedStep) => unknown;
  /**
   * Called for each broadcast and disconnect that no client's message has caused, at its time, in order to cause it
   * again: for what the app does outside of its channels. What comes by itself, as from timers, is to be left alone.
   */
  readonly outside?: (step: BroadcastStep | ClosedStep, endpoint: Endpoint) => unknown;
  /** Real milliseconds that handlers may take. @default 1_000 */
  readonly timeout?: number;
}

/** What a recorded client connects with. */
export interface ReplayedConnect {
  /** Default: the recorded ones. */
  readonly params?: object;
  readonly info?: ClientInfo;
}

/** What has been replayed, and what hasn't. */
export interface Replayed {
  readonly clients: number;
  /** Messages that the clients have sent. */
  readonly sent: number;
  /** Frames of the server that were compared. */
  readonly compared: number;
  /** What the trace doesn't hold, and was passed over: in words. */
  readonly left: readonly string[];
}

const OPTIONS: { readonly [K in keyof ReplayOptions]-?: OptionCheck<Exclude<ReplayOptions[K], undefined>> } =
  {
    serve: method,
    volatile: strings,
    connect: method,
    payload: method,
    outside: method,
    timeout: integer(0, "milliseconds"),
  };

/**
 * Plays the clients of a trace again, against the app as it is now: they connect and send what they did, in the same
 * order and at the same (virtual) times, and the server has to send them what it did then.
 *
 * @param trace A file that `trace.toJSONL()` was written to, or a trace's steps.
 * @throws AssertionError at the first difference, with the transcript. ConfigError (`unreplayable_trace`) naming what the
 * trace doesn't hold, `invalid_trace` for a file that is none, `invalid_option`, `unknown_option`.
 */
export async function replay(
  trace: string | URL | Iterable<TraceStep>,
  options: ReplayOptions,
): Promise<Replayed> {
  const { serve, ...rest } = checkOptions<ReplayOptions>(options, OPTIONS, "replay");
  if (serve === undefined) {
    throw new ConfigError("invalid_option", "replay needs serve, which makes the endpoint");
  }
  const steps = await readTrace(trace);
  const { connect, payload, outside } = rest;
  const plan = planOf(steps, {
    connect: connect !== undefined,
    payload: payload !== undefined,
    outside: outside !== undefined,
  });
  const clock = new VirtualClock(steps[0]?.at);
  const endpoint = serve(clock);
  if (!(endpoint instanceof Endpoint) || endpointInternals(endpoint).clock !== clock) {
    throw new ConfigError(
      "invalid_option",
      `replay: serve must return a new Endpoint({ clock }) on the clock that it is given, got ${describe(endpoint)}`,
    );
  }
  const player = new Player(endpoint, clock, rest);
  try {
    assertMounted(
      endpoint,
      plan.actions.flatMap((action) => (action.do === "connect" ? [action.step] : [])),
    );
    return await player.play(plan);
  } finally {
    await player.close();
    const closed = endpoint.close({ timeoutMs: 0 });
    // Its timeout is the clock's.
    await clock.advance(0);
    await closed;
  }
}

function assertMounted(endpoint: Endpoint, clients: readonly ConnectedStep[]): void {
  const { mounts } = endpointInternals(endpoint);
  for (const { socket, connection } of clients) {
    if (mounts.some(({ socketClass }) => socketClass.name === socket)) continue;
    throw new ConfigError(
      "unreplayable_trace",
      `replay: connection ${connection} connected to ${socket}, and serve's endpoint mounts no class of that name`,
    );
  }
}

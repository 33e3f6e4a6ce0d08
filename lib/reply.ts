import { ConfigError, describe } from "./errors.ts";
import { EMPTY_PAYLOAD, type EncodedPayload, encodeReplyPayload } from "./protocol/payload.ts";

/**
 * An answer to a client's message: made by `ok`, `error` and `reply`. Its payload is encoded when it is made, so
 * later changes don't show.
 */
export class Reply<Status extends string = string, Payload = unknown> {
  readonly status: Status;
  readonly payload: Payload;
  /** @internal */
  readonly encoded: EncodedPayload;

  /**
   * @param encoded The payload's encoding, where the library has it already.
   * @throws PayloadError (`invalid_payload`) if JSON can't express the payload.
   */
  constructor(status: Status, payload: Payload, encoded?: EncodedPayload) {
    this.status = status;
    this.payload = payload;
    this.encoded = encoded ?? (payload === undefined ? EMPTY_PAYLOAD : encodeReplyPayload(payload));
  }
}

/** No answer: made by `noreply`. */
export class NoReply {
  // Keeps the type apart from others: without a private member every object would do as a NoReply.
  readonly #noReply = true;

  static {
    void ((value: NoReply) => value.#noReply);
  }
}

/** Ends the channel: made by `stop`. */
export class Stop {
  readonly reason: string | Error;
  readonly reply: Reply | undefined;

  constructor(reason: string | Error, reply: Reply | undefined) {
    this.reason = reason;
    this.reply = reply;
  }
}

const OK = Object.freeze(new Reply("ok", undefined));
const ERROR = Object.freeze(new Reply("error", undefined));
const NO_REPLY = new NoReply();
Object.freeze(NO_REPLY);

/**
 * Answers `ok`: from `join`, `connect`, a handler, or through `deferReply`.
 *
 * @param payload Any JSON value, or a `Uint8Array` for a binary reply. Default `{}`.
 * @throws PayloadError (`invalid_payload`) if JSON can't express it.
 */
export function ok(): Reply<"ok", undefined>;
export function ok<Payload>(payload: Payload): Reply<"ok", Payload>;
export function ok(payload?: unknown): Reply<"ok"> {
  return payload === undefined ? OK : new Reply("ok", payload);
}

/**
 * Answers `error`: from `join` (the client isn't joined), a handler, or through `deferReply`. From `connect` it
 * refuses the connection, with the reason for `onRefused`.
 *
 * @param payload Any JSON value, or a `Uint8Array` for a binary reply. Default `{}`.
 * @throws PayloadError (`invalid_payload`) if JSON can't express it.
 */
export function error(): Reply<"error", undefined>;
export function error<Payload>(payload: Payload): Reply<"error", Payload>;
export function error(payload?: unknown): Reply<"error"> {
  return payload === undefined ? ERROR : new Reply("error", payload);
}

/**
 * Answers with a status of the app's own, which the client takes with `.receive(status, …)`.
 *
 * @throws ConfigError (`invalid_argument`) if the status isn't a string, PayloadError (`invalid_payload`) if JSON
 * can't express the payload.
 */
export function reply<Status extends string>(status: Status): Reply<Status, undefined>;
export function reply<Status extends string, Payload>(
  status: Status,
  payload: Payload,
): Reply<Status, Payload>;
export function reply(status: string, payload?: unknown): Reply {
  if (typeof status !== "string" || status === "") {
    throw new ConfigError(
      "invalid_argument",
      `reply(status) needs a status such as "ok", got ${describe(status)}`,
    );
  }
  return new Reply(status, payload);
}

/** No answer. A handler that returns nothing says the same. */
export function noreply(): NoReply {
  return NO_REPLY;
}

/**
 * Ends the channel, from `handleIn`, an `on` handler, `handleOut` or `handleInfo`.
 *
 * @param reason `"normal"` (the default) and `"shutdown"` send phx_close; anything else, an Error included, is
 * logged and sends phx_error, after which the official client rejoins.
 * @param answer Sent before it, from `handleIn` and `on` only.
 */
export function stop(reason: string | Error = "normal", answer?: Reply): Stop {
  if (typeof reason !== "string" && !(reason instanceof Error)) {
    throw new ConfigError(
      "invalid_argument",
      `stop(reason) needs a string or an Error, got ${describe(reason)}`,
    );
  }
  if (answer !== undefined && !(answer instanceof Reply)) {
    throw new ConfigError(
      "invalid_argument",
      `stop's reply must come from ok, error or reply, got ${describe(answer)}`,
    );
  }
  return new Stop(reason, answer);
}

/**
 * Base of every error this library throws. `code` is stable across releases, the message is not: it names what
 * was wrong, the value, and how to mend it.
 */
export class ChannelsError extends Error {
  /** Stable, machine-readable cause. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/**
 * An option, a static of a class or the argument of a call is not what the API takes.
 *
 * Codes: `invalid_option`, `unknown_option`, `invalid_channel`, `invalid_socket`, `invalid_argument`,
 * `invalid_handler`; of `replay`, `invalid_trace` and `unreplayable_trace`.
 */
export class ConfigError extends ChannelsError {}

/**
 * A payload can't be sent: it isn't a plain object (or a `Uint8Array`), or JSON can't express it.
 *
 * Codes: `invalid_payload`, and `uncarried_payload` for one that a client's serializer has no form for.
 */
export class PayloadError extends ChannelsError {}

/**
 * A call came at a moment that doesn't allow it, such as `push` inside `join`.
 *
 * Codes: `not_joined`, `no_message`, `own_topic`, `not_connected`, `already_tracked`, `not_tracked`,
 * `closed`, `no_virtual_clock`.
 */
export class StateError extends ChannelsError {}

/**
 * A callback of the app returned something it may not return. The channel ends with this error, or the
 * connection is refused. Code: `invalid_return`.
 */
export class ReturnError extends ChannelsError {}

/** A frame from a client isn't a message. The connection closes with 1011. Code: `malformed_frame`. */
export class DecodeError extends ChannelsError {
  constructor(message: string, options?: ErrorOptions) {
    super("malformed_frame", message, options);
  }
}

const MAX_SHOWN = 80;

// Control characters, and those that some terminals and log viewers take for the end of a line.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** A name that a client picked, for a line of a log: short, and without what could pass for a line of its own. */
export function printable(name: string): string {
  const shown = name.length > MAX_SHOWN ? `${name.slice(0, MAX_SHOWN)}…` : name;
  return shown.search(UNPRINTABLE) < 0 ? shown : quoted(shown);
}

function quoted(text: string): string {
  return JSON.stringify(text).replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Describes a value in an error message: short, on one line, never the whole of it. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  switch (typeof value) {
    case "string":
      return quoted(value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}…` : value);
    case "number":
    case "boolean":
      return String(value);
    case "bigint":
      return `${value}n`;
    case "function":
      return value.name ? `function ${value.name}` : "a function";
    case "symbol":
      return "a symbol";
    default:
      break;
  }
  try {
    if (Array.isArray(value)) return `an array of ${value.length}`;
    const name: unknown = Object.getPrototypeOf(value)?.constructor?.name;
    if (name === "Object" || typeof name !== "string") return "an object";
    return `an instance of ${name}`;
  } catch {
    // A proxy may refuse to be looked at.
    return "an object";
  }
}

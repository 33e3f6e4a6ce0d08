import { ConfigError, describe } from "../errors.ts";
import { assertSchema, type Schema } from "../schema.ts";

interface EventHandler {
  readonly schema: Schema | null;
  readonly handler: (this: object, payload: unknown, channel: object) => unknown;
}

/** The events of each class; those that it inherits are in the tables of the classes above it. */
const tables = new WeakMap<object, Map<string, EventHandler>>();

/**
 * Adds an event to a class's table: what `Channel.on` does.
 *
 * @param base Channel itself, which has no events.
 * @throws ConfigError (`invalid_handler`) naming the class, the event and what is wrong.
 */
export function addHandler(
  base: abstract new (context: never) => object,
  channelClass: unknown,
  args: readonly unknown[],
): void {
  const event = args[0];
  const refusal = (message: string) => {
    const name = typeof channelClass === "function" ? channelClass.name : describe(channelClass);
    return new ConfigError("invalid_handler", `${name}.on(${describe(event)}): ${message}`);
  };
  if (typeof channelClass !== "function" || !(channelClass.prototype instanceof base)) {
    throw refusal("call it on a subclass of Channel");
  }
  if (typeof event !== "string") throw refusal("the event must be a string");
  if (event.startsWith("phx_")) throw refusal("events that begin with phx_ are the protocol's");
  if (isSealed(channelClass, event))
    throw refusal("is an event of the library's class, which can't be replaced");
  if (args.length !== 2 && args.length !== 3) {
    throw refusal(`takes (event, handler) or (event, schema, handler), got ${args.length} arguments`);
  }
  const handler = args[args.length - 1];
  if (typeof handler !== "function") {
    throw refusal(`the handler must be a function, got ${describe(handler)}`);
  }
  // A schema may be a function too: arktype's, without the handler that was meant to follow.
  if (args.length === 2 && "~standard" in handler) throw refusal("has a schema and lacks a handler");
  let schema: Schema | null = null;
  if (args.length === 3) {
    const given = args[1];
    assertSchema(given, `the schema of ${channelClass.name}.on(${describe(event)})`);
    schema = given;
  }
  let table = tables.get(channelClass);
  if (table === undefined) {
    table = new Map();
    tables.set(channelClass, table);
  }
  if (table.has(event)) throw refusal("has a handler in this class already");
  table.set(event, { schema, handler: handler as EventHandler["handler"] });
}

/** The handler of an event, in the class's table or in one above it. */
export function findHandler(channelClass: object, event: string): EventHandler | undefined {
  for (let c: object | null = channelClass; c !== null; c = Object.getPrototypeOf(c)) {
    const entry = tables.get(c)?.get(event);
    if (entry !== undefined) return entry;
  }
  return undefined;
}

/** Whether a channel's table has the event. */
export function hasHandler(channel: object, event: string): boolean {
  return findHandler(channel.constructor, event) !== undefined;
}

/** The events of the library's own channel classes. */
const sealed = new WeakMap<object, ReadonlySet<string>>();

/** From now on, neither the class nor those that extend it can add these events by `on`. */
export function sealEvents(channelClass: object, events: Iterable<string>): void {
  sealed.set(channelClass, new Set(events));
}

function isSealed(channelClass: object, event: string): boolean {
  for (let c: object | null = channelClass; c !== null; c = Object.getPrototypeOf(c)) {
    if (sealed.get(c)?.has(event)) return true;
  }
  return false;
}

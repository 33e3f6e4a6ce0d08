import type { ChannelClass } from "../channel/channel-class.ts";
import { Channel } from "../channel.ts";
import { ConfigError, describe } from "../errors.ts";
import { LOG_LEVELS, type LogLevel } from "../logger.ts";
import { assertSchema, type Schema } from "../schema.ts";
import type { SocketClass } from "../socket.ts";
import { RESERVED } from "./arguments.ts";
import { checkRateLimit, RateLimiter } from "./rate-limit.ts";

/** A channel class as a mount uses it: checked, and its statics read once. */
export interface Route {
  readonly channelClass: ChannelClass;
  readonly name: string;
  readonly assigns: object | undefined;
  readonly joinSchema: Schema | undefined;
  /** Null if nothing is intercepted. */
  readonly intercepts: ReadonlySet<string> | null;
  readonly subscribesAtJoin: boolean;
  readonly rateLimiter: RateLimiter | null;
  /** Events that a slow client may miss; null for none. */
  readonly drops: ReadonlySet<string> | null;
  readonly logJoin: LogLevel | false;
  readonly logHandleIn: LogLevel | false;
}

/** Finds the route of a topic: the first that matches, in the order of `static channels`. */
export type Router = (topic: string) => Route | undefined;

export interface Routes {
  readonly find: Router;
  readonly classes: ReadonlySet<ChannelClass>;
}

/** @throws ConfigError naming the socket class, the pattern and what is wrong. */
export function compileRoutes(socketClass: SocketClass): Routes {
  const channels: unknown = socketClass.channels;
  const where = `${socketClass.name}.channels`;
  // A Map's entries are no keys: it would be a socket without channels.
  if (
    typeof channels !== "object" ||
    channels === null ||
    Array.isArray(channels) ||
    channels instanceof Map
  ) {
    throw new ConfigError(
      "invalid_socket",
      `${where} must be an object such as {"room:*": RoomChannel}, got ${describe(channels)}`,
    );
  }
  const routes = Object.entries(channels).map(([pattern, value]) => {
    const star = pattern.indexOf("*");
    if (pattern === "" || (star >= 0 && star !== pattern.length - 1)) {
      throw new ConfigError(
        "invalid_socket",
        `${where} has the pattern ${describe(pattern)}: write a topic, or a prefix that ends with its only *, as "room:*"`,
      );
    }
    return {
      prefix: star < 0 ? null : pattern.slice(0, -1),
      exact: pattern,
      route: compileRoute(value, `${where}[${JSON.stringify(pattern)}]`),
    };
  });
  const find: Router = (topic) => {
    if (topic.startsWith(RESERVED)) return undefined;
    for (const { prefix, exact, route } of routes) {
      if (prefix === null ? topic === exact : topic.startsWith(prefix)) return route;
    }
    return undefined;
  };
  return { find, classes: new Set(routes.map(({ route }) => route.channelClass)) };
}

const compiled = new WeakMap<ChannelClass, Omit<Route, "assigns">>();

/** @throws ConfigError naming what is wrong with a channel class. */
export function compileRoute(value: unknown, where: string): Route {
  let channelClass = value;
  let assigns: unknown;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const { channel, assigns: given, ...rest } = value as { channel?: unknown; assigns?: unknown };
    const unknown = Object.keys(rest)[0];
    if (unknown !== undefined) {
      throw new ConfigError(
        "unknown_option",
        `${where} has the unknown key ${describe(unknown)}; it takes channel and assigns`,
      );
    }
    if (given !== undefined && (typeof given !== "object" || given === null || Array.isArray(given))) {
      throw new ConfigError("invalid_option", `${where}.assigns must be an object, got ${describe(given)}`);
    }
    channelClass = channel;
    assigns = given;
  }
  if (typeof channelClass !== "function" || !(channelClass.prototype instanceof Channel)) {
    throw new ConfigError(
      "invalid_channel",
      `${where} must be a class that extends Channel, or {channel, assigns}, got ${describe(channelClass)}`,
    );
  }
  const known = channelClass as unknown as ChannelClass;
  let route = compiled.get(known);
  if (route === undefined) {
    route = compileClass(known);
    compiled.set(known, route);
  }
  return { ...route, assigns: assigns as object | undefined };
}

function compileClass(channelClass: ChannelClass): Omit<Route, "assigns"> {
  const { name, joinSchema, intercepts, subscribesAtJoin, rateLimit, overflow, log } = channelClass;
  const prototype = channelClass.prototype as Partial<Record<string, unknown>>;
  const refuse = (code: string, message: string): never => {
    throw new ConfigError(code, `${name}${message}`);
  };
  if (typeof prototype.join !== "function") {
    refuse("invalid_channel", " needs a method join(topic, payload) that returns ok() or error()");
  }
  if (joinSchema !== undefined) assertSchema(joinSchema, `${name}.joinSchema`);
  if (!Array.isArray(intercepts)) {
    refuse("invalid_option", `.intercepts must be a list of events, got ${describe(intercepts)}`);
  }
  for (const event of intercepts) {
    if (typeof event !== "string") {
      refuse("invalid_option", `.intercepts must be a list of events, one is ${describe(event)}`);
    }
  }
  if (intercepts.length > 0 && typeof prototype.handleOut !== "function") {
    refuse(
      "invalid_channel",
      ` intercepts ${describe(intercepts[0])} and needs a method handleOut(event, payload)`,
    );
  }
  if (typeof subscribesAtJoin !== "boolean") {
    refuse("invalid_option", `.subscribesAtJoin must be true or false, got ${describe(subscribesAtJoin)}`);
  }
  if (typeof overflow !== "object" || overflow === null || Array.isArray(overflow)) {
    refuse(
      "invalid_option",
      `.overflow must be an object such as {cursor: "drop"}, got ${describe(overflow)}`,
    );
  }
  for (const [event, policy] of Object.entries(overflow)) {
    if (policy === "drop" || policy === "close") continue;
    refuse(
      "invalid_option",
      `.overflow[${describe(event)}] must be "close" or "drop", got ${describe(policy)}`,
    );
  }
  const dropped = Object.keys(overflow).filter((event) => overflow[event] === "drop");
  if (log !== false && (typeof log !== "object" || log === null || Array.isArray(log))) {
    refuse("invalid_option", `.log must be an object or false, got ${describe(log)}`);
  }
  const unknown = Object.keys(log).find((key) => key !== "join" && key !== "handleIn");
  if (unknown !== undefined) {
    refuse("unknown_option", `.log has the unknown key ${describe(unknown)}; it takes join and handleIn`);
  }
  const level = (key: "join" | "handleIn", otherwise: LogLevel): LogLevel | false => {
    if (typeof log !== "object") return false;
    const value: unknown = log[key];
    if (value === undefined) return otherwise;
    if (value !== false && !LOG_LEVELS.includes(value as LogLevel)) {
      refuse(
        "invalid_option",
        `.log.${key} must be one of ${LOG_LEVELS.join(", ")} or false, got ${describe(value)}`,
      );
    }
    return value as LogLevel | false;
  };
  return {
    channelClass,
    name,
    joinSchema,
    intercepts: intercepts.length === 0 ? null : new Set(intercepts),
    subscribesAtJoin,
    rateLimiter: rateLimit === false ? null : new RateLimiter(checkRateLimit(rateLimit, `${name}.rateLimit`)),
    drops: dropped.length === 0 ? null : new Set(dropped),
    logJoin: level("join", "info"),
    logHandleIn: level("handleIn", "debug"),
  };
}

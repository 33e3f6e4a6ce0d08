import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { compileFunction } from "node:vm";
import { ConfigError } from "../../errors.ts";
import type { Timers } from "./client-timers.ts";

/** The official client's socket, as far as simulations use it: the package brings no types of its own. */
export interface PhoenixSocket {
  connect(): void;
  disconnect(callback?: () => void, code?: number, reason?: string): void;
  isConnected(): boolean;
  channel(topic: string, params?: object | (() => object)): PhoenixChannel;
  onOpen(callback: () => void): unknown;
  onClose(callback: (event: { code: number; reason: string; wasClean: boolean }) => void): unknown;
  onError(callback: (error: unknown) => void): unknown;
  /** Of every message that comes, heartbeats' replies too. */
  onMessage(callback: (message: PhoenixMessage) => void): unknown;
}

export interface PhoenixMessage {
  readonly topic: string;
  readonly event: string;
  readonly payload: unknown;
  readonly ref: string | null;
  readonly join_ref: string | null;
}

export interface PhoenixChannel {
  readonly topic: string;
  readonly state: "closed" | "errored" | "joined" | "joining" | "leaving";
  join(timeout?: number): PhoenixPush;
  leave(timeout?: number): PhoenixPush;
  push(event: string, payload?: object, timeout?: number): PhoenixPush;
  on(event: string, callback: (payload: unknown) => void): number;
  off(event: string, ref?: number): void;
  onClose(callback: (payload: unknown) => void): void;
  onError(callback: (reason: unknown) => void): unknown;
}

export interface PhoenixPush {
  receive(status: string, callback: (response: unknown) => void): PhoenixPush;
}

export interface PhoenixPresence {
  onSync(callback: () => void): void;
  list<T>(by?: (key: string, entry: { metas: Record<string, unknown>[] }) => T): T[];
}

/** What the package exports. */
export interface PhoenixClient {
  Socket: new (endPoint: string, options: object) => PhoenixSocket;
  Presence: new (channel: PhoenixChannel) => PhoenixPresence;
}

type Compiled = (
  module: { exports: unknown },
  exports: unknown,
  require: NodeJS.Require,
  ...rest: unknown[]
) => void;

let compiled: { readonly run: Compiled; readonly require: NodeJS.Require } | null = null;

/**
 * Loads the official client, the `phoenix` package that the app has installed, with timers of its own.
 *
 * @throws ConfigError (`invalid_argument`) if it isn't installed.
 */
export function loadPhoenix(timers: Timers, now: () => number): PhoenixClient {
  compiled ??= compile();
  const { run, require } = compiled;
  const module = { exports: {} };
  const date = { now };
  const { setTimeout, clearTimeout, setInterval, clearInterval } = timers;
  // A page's globals are left out: a runner may have put some there.
  const rest = [setTimeout, clearTimeout, setInterval, clearInterval, date, undefined, undefined];
  run(module, module.exports, require, ...rest);
  return module.exports as PhoenixClient;
}

function compile(): { run: Compiled; require: NodeJS.Require } {
  const path = resolvePhoenix();
  const names = ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "self", "window"];
  const source = readFileSync(path, "utf8");
  const run = compileFunction(source, ["module", "exports", "require", ...names], {
    filename: path,
  }) as Compiled;
  return { run, require: createRequire(path) };
}

function resolvePhoenix(): string {
  // Beside the library, or where the tests run.
  for (const from of [import.meta.url, pathToFileURL(join(process.cwd(), "package.json"))]) {
    try {
      return createRequire(from).resolve("phoenix");
    } catch {
      // The other may have it.
    }
  }
  throw new ConfigError(
    "invalid_argument",
    "simulate needs the official client: install it by npm install --save-dev phoenix",
  );
}

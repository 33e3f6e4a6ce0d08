import { format, inspect } from "node:util";
import type { Socket } from "phoenix";
import type { RunOptions } from "../debug/support/run.ts";
import { section } from "./markdown.ts";

/** A fenced block, by its language and the word behind it: `sh`, `js`, `text doctor`. */
export interface Block {
  readonly kind: string;
  readonly text: string;
}

/** The fenced blocks of a section, in order. */
export function blocks(page: string, heading: string): Block[] {
  return [...section(page, heading).matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)].map(
    ([, kind = "", text = ""]) => ({ kind, text: text.trimEnd() }),
  );
}

/** A command of the page: its arguments, and the variables that stand before it, with their values. */
export function commandLine(
  text: string,
  port: number,
  values: ReadonlyMap<string, string>,
): { argv: string[]; env: NonNullable<RunOptions["env"]> } {
  const words = [...text.replaceAll("\\\n", " ").matchAll(/'([^']*)'|(\S+)/g)].map(
    ([, quoted, bare]) => quoted ?? bare ?? "",
  );
  const start = words.indexOf("npx");
  if (start < 0 || words[start + 1] !== "phoenix-channels-server") throw new Error(`no command: ${text}`);
  const env: Record<string, string> = {};
  for (const word of words.slice(0, start)) {
    const [, name = "", variable = ""] = /^(\w+)=\$(\w+)$/.exec(word) ?? [];
    const value = values.get(variable);
    if (value === undefined) throw new Error(`no value for ${word}`);
    env[name] = value;
  }
  const argv = words.slice(start + 2).map((word) => word.replace("127.0.0.1:4000", `127.0.0.1:${port}`));
  // A machine that runs other specs besides may be slow, which would be a fault of its own.
  if (argv[0] === "doctor") argv.push("--slow", "60000");
  return { argv, env };
}

/** A text without what differs from run to run: ports, ids, times and numbers of ops. */
export function normal(text: string): string {
  return text
    .replaceAll(/127\.0\.0\.1:\d+/g, "127.0.0.1:4000")
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<moment>")
    .replaceAll(/\b\d{10}\b/g, "<seconds>")
    .replaceAll(/(less than a second|(\d+ minutes? )?\d+ s(econds?)?|\d+ minutes?) ago/g, "<time> ago")
    .replaceAll(/in (\d+ (hours?|minutes?|seconds?) ?)+/g, "in <time>")
    .replaceAll(/ +\d[\d.]* ms {2}/g, " <time>  ")
    .replaceAll(/ +\d[\d.]* ms$/gm, " <time>")
    .replaceAll(/\b(client) \S{8}…/g, "$1 <id>")
    .replaceAll(/\b(head|sequence number) \d+/g, "$1 <number>")
    .replaceAll(/\(\d+ characters\)/g, "(<number> characters)")
    .replaceAll(/ +$/gm, "")
    .trimEnd();
}

/** What a line of the log must look like, whatever its id and time. */
export function logPattern(line: string): RegExp {
  const literal = line.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  return new RegExp(
    `^${literal.replace(/in \d+(ms|µs)/, "in \\d+(ms|µs)").replace(/[0-9a-f]{8}-[0-9a-z]+/, "[0-9a-f]{8}-[0-9a-z]+")} ?$`,
  );
}

/**
 * Runs a snippet as a page would, and returns what it prints, when that are so many lines and the server has answered
 * whatever was sent. The page is closed then.
 */
export async function inPage(code: string, socket: Socket, token: string, lines: number): Promise<string> {
  const printed: string[] = [];
  let enough = () => {};
  const done = new Promise<void>((resolve) => {
    enough = resolve;
  });
  const shown = (value: unknown) =>
    typeof value === "object" ? inspect(value, { breakLength: Number.POSITIVE_INFINITY }) : value;
  const log = (...values: unknown[]) => {
    printed.push(format(...values.map(shown)));
    if (printed.length === lines) enough();
  };
  new Function("socket", "token", "console", code)(socket, token, { log });
  await done;
  await new Promise<void>((resolve) => {
    if (!socket.ping(() => resolve())) throw new Error("the client isn't connected");
  });
  const all = printed.join("\n");
  await new Promise<void>((resolve) => socket.disconnect(resolve));
  return all;
}

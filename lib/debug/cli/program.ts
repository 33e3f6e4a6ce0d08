import { createRequire } from "node:module";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { EXIT } from "../exit-codes.ts";
import type { Redactor } from "../redact.ts";
import {
  AUTH_TOKEN_VARIABLE,
  redactorFor,
  SECRET_VARIABLE,
  TOKEN_PLACES,
  TOKEN_VARIABLE,
} from "./connection-options.ts";
import { type DecodeOptions, runDecode } from "./decode-command.ts";
import { type DoctorOptions, runDoctor } from "./doctor-command.ts";
import { type Io, Usage } from "./io.ts";
import { runSend, type SendOptions } from "./send-command.ts";
import { runTap, type TapOptions } from "./tap-command.ts";

const NAME = "phoenix-channels-server";

/** Runs a command line without its first two arguments, and resolves to the exit code. Never rejects. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const redactor = redactorFor(argv);
  const complain = (message: string) => io.stderr.write(`${redactor.text(message)}\n`);
  let code: number = EXIT.usage;
  try {
    await program(io, redactor, (result) => {
      code = result;
    }).parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.healthy : EXIT.usage;
    if (error instanceof Usage) {
      complain(`error: ${error.message}`);
      return EXIT.usage;
    }
    complain(`error: a defect of ${NAME}, please report it`);
    for (const line of String((error as Error | null)?.stack ?? error).split("\n")) complain(line);
    return EXIT.internal;
  }
}

/** The commands and their options: the one place that knows the library for command lines. */
export function program(io: Io, redactor: Redactor, done: (code: number) => void): Command {
  const root = new Command(NAME)
    .description(
      "Finds out why a channel doesn't work. Speaks to any server of the Phoenix Channels protocol.",
    )
    .version(version())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(`${redactor.text(withoutValues(text))}\n`),
    });

  connectionOptions(root.command("doctor"))
    .description("walks through what a client does, and explains the first failure")
    .argument("<url>", "where the socket is mounted: ws://host/socket")
    .option("-t, --topic <topic>", "the channel; document:{tenant}:{document} for a document")
    .option("--push <event...>", "push an event, with its payload as JSON behind it")
    .option("--no-reply", "the push has no reply")
    .option("--expect <event>", "the event that a second connection must get for the push")
    .addOption(modeOption())
    .option("--submit <json>", "what submitOp sends: {messageBatches: [[op…]]}; what is absent is filled in")
    .option("--no-submit", "write nothing into the document")
    .option("--slow <ms>", "a step that takes longer is a fault", milliseconds, 1_000)
    .option("--trace", "print the frames, too")
    .option("--json", "print one JSON object")
    .action(async (url: string, options: DoctorOptions) => done(await runDoctor(url, options, io, redactor)));

  credentialOptions(root.command("decode"))
    .description("explains a token: what is in it, what a document requires, what is wrong")
    .argument("[token]", `- for the standard input; or --token, or ${TOKEN_VARIABLE}`)
    .option("-t, --topic <topic>", "the document that it should be for: document:{tenant}:{document}")
    .option("--json", "print one JSON object")
    .action(async (token: string | undefined, options: DecodeOptions) =>
      done(await runDecode(token, options, io, redactor)),
    );

  connectionOptions(root.command("tap"))
    .description("joins topics and prints the frames as they come and go")
    .argument("<url>", "where the socket is mounted: ws://host/socket")
    .requiredOption("-t, --topic <topic>", "what to join; may be repeated", collect)
    .option("-e, --event <event>", "only these events; may be repeated", collect)
    .option("-n, --count <number>", "end after so many messages, replies aside", count)
    .option("--full", "don't cut long payloads")
    .option("--heartbeats", "print heartbeats, too")
    .option("--json", "print each frame as JSON on a line")
    .action(async (url: string, options: TapOptions) => done(await runTap(url, options, io, redactor)));

  connectionOptions(root.command("send"))
    .description("joins a topic, pushes one event, and prints the reply")
    .argument("<url>", "where the socket is mounted: ws://host/socket")
    .argument("<event>", "the event")
    .argument("[payload]", "JSON; - for the standard input; {} if absent")
    .requiredOption("-t, --topic <topic>", "the channel")
    .option("--no-reply", "don't wait for a reply")
    .addOption(modeOption())
    .option("--json", "print the reply as JSON")
    .action(async (url: string, event: string, payload: string | undefined, options: SendOptions) =>
      done(await runSend(url, event, payload, options, io, redactor)),
    );

  return root;
}

function connectionOptions(command: Command): Command {
  return credentialOptions(command)
    .option("--token-as <places>", `where the token goes: ${TOKEN_PLACES.join(", ")}`, collect)
    .option(
      "--auth-token <token>",
      `the connection's own, where --token is a document's; - or ${AUTH_TOKEN_VARIABLE}`,
    )
    .option("-p, --param <name=value>", "a param of the connection; may be repeated", collect, [])
    .option(
      "-H, --header <header>",
      'a header of the request, as "Name: value"; may be repeated',
      collect,
      [],
    )
    .option("--origin <origin>", "connect as a page of this origin would")
    .option("--join <json>", "the payload of the join")
    .option("--timeout <ms>", "how long to wait for each answer", milliseconds, 10_000)
    .option("--insecure", "accept a certificate that isn't trusted");
}

function credentialOptions(command: Command): Command {
  return command
    .option("--token <token>", `- for the standard input; or ${TOKEN_VARIABLE}`)
    .option("--secret <secret>", `checks the token here; - for the standard input; or ${SECRET_VARIABLE}`)
    .option("--no-color", "no colours; NO_COLOR does the same");
}

function modeOption(): Option {
  return new Option("--mode <mode>", "how a document is connected")
    .choices(["read", "write"])
    .default("write");
}

/** What was given to a wrong option may be a secret. */
function withoutValues(message: string): string {
  return message
    .replaceAll(/\s+/g, " ")
    .trim()
    .replaceAll(/'(--?[\w-]+)=.*'/g, "'$1=…'")
    .replaceAll(/argument '.*' is invalid/g, "argument is invalid");
}

function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

function milliseconds(value: string): number {
  return wholeNumber(value, 3_600_000, "milliseconds");
}

function count(value: string): number {
  return wholeNumber(value, Number.MAX_SAFE_INTEGER, "messages");
}

function wholeNumber(value: string, max: number, unit: string): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= 1 && number <= max) return number;
  throw new InvalidArgumentError(`It takes a number of ${unit}, from 1 to ${max}.`);
}

function version(): string {
  const { version } = createRequire(import.meta.url)("../../../package.json") as { version: string };
  return version;
}

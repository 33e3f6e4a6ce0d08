import type { DocumentName } from "../../documents/log/op-log.ts";
import { documentName } from "../../documents/names.ts";
import { addParam, type Target, webSocketUrl } from "../client/target.ts";
import { FAULTS } from "../doctor/faults.ts";
import { Redactor } from "../redact.ts";
import { type Io, readAll, Usage } from "./io.ts";

/** Where the token may travel. */
export const TOKEN_PLACES = ["document", "param", "auth-token", "join"] as const;

type TokenPlace = (typeof TOKEN_PLACES)[number];

/** Instead of the options, so that none is in the list of processes or the shell's history. */
export const TOKEN_VARIABLE = "PHOENIX_CHANNELS_TOKEN";
export const SECRET_VARIABLE = "PHOENIX_CHANNELS_SECRET";
export const AUTH_TOKEN_VARIABLE = "PHOENIX_CHANNELS_AUTH_TOKEN";

/** Stands for the standard input. */
const STDIN = "-";

const SECRET_NAME = /token|secret|password|cookie|auth|key/i;

export interface CredentialOptions {
  readonly token?: string;
  readonly secret?: string;
  readonly authToken?: string;
}

/** The options of the commands that connect, as the command line gives them. */
export interface ConnectionOptions extends CredentialOptions {
  readonly tokenAs?: string[];
  readonly param: string[];
  readonly header: string[];
  readonly origin?: string;
  readonly join?: string;
  readonly timeout: number;
  readonly insecure?: boolean;
}

export interface Credentials {
  readonly token: string | null;
  readonly secret: string | null;
  /** The connection's own, where `token` is a document's. */
  readonly authToken: string | null;
}

/** A connection as it shall be made. */
export interface Connection extends Credentials {
  readonly target: Target;
  readonly joinPayload: unknown;
  /** The document that a topic names, if the token is for documents. */
  readonly documentOf: (topic: string | null) => DocumentName | null;
}

/** Takes token, secret and the connection's token from the options, the environment or, in this order, the standard input. */
export async function readCredentials(
  options: CredentialOptions,
  io: Io,
  redactor: Redactor,
): Promise<Credentials> {
  const given = (option: string | undefined, variable: string) => option ?? (io.env[variable] || null);
  let token = given(options.token, TOKEN_VARIABLE);
  let secret = given(options.secret, SECRET_VARIABLE);
  let authToken = given(options.authToken, AUTH_TOKEN_VARIABLE);
  if ([token, secret, authToken].includes(STDIN)) {
    const lines = (await readAll(io)).split(/\r?\n/);
    const next = (what: string) => {
      const line = lines.shift();
      if (line === undefined || line === "") throw new Usage(`the standard input has no ${what}`);
      return line;
    };
    if (token === STDIN) token = next("token").trim();
    if (secret === STDIN) secret = next("secret");
    if (authToken === STDIN) authToken = next("token of the connection").trim();
  }
  if (token !== null) redactor.hideToken(token);
  if (secret !== null) redactor.hideSecret(secret);
  if (authToken !== null) redactor.hideToken(authToken);
  return { token, secret, authToken };
}

/** @throws Usage */
export async function readConnection(
  given: string,
  options: ConnectionOptions,
  topics: readonly (string | null)[],
  io: Io,
  redactor: Redactor,
): Promise<Connection> {
  const url = webSocketUrl(given);
  if (url === null) throw new Usage("the URL must begin with ws://, wss://, http:// or https://");
  hideInUrl(url, redactor);
  const { token, secret, authToken } = await readCredentials(options, io, redactor);
  const places = tokenPlaces(options.tokenAs, topics);
  if (authToken !== null && places.has("auth-token")) {
    throw new Usage("the connection has one authToken: either --auth-token, or --token-as auth-token");
  }
  for (const param of options.param) {
    const [name, value] = pair(param, "=", "--param", "name=value");
    if (SECRET_NAME.test(name)) redactor.hideSecret(value);
    addParam(url, name, value);
  }
  const headers: Record<string, string> = {};
  for (const header of options.header) {
    const [name, value] = pair(header, ":", "--header", '"Name: value"');
    if (SECRET_NAME.test(name)) hideHeader(value.trim(), redactor);
    headers[name.trim()] = value.trim();
  }
  let joinPayload = options.join === undefined ? {} : json(options.join, "--join", redactor);
  if (token !== null && places.has("param")) addParam(url, "token", token);
  if (token !== null && places.has("join")) joinPayload = { token, ...(joinPayload as object) };
  const target: Target = {
    url,
    headers,
    origin: options.origin ?? null,
    authToken: places.has("auth-token") ? token : authToken,
    timeoutMs: options.timeout,
    rejectUnauthorized: options.insecure !== true,
  };
  const documentOf = (topic: string | null) => (topic === null ? null : documentName(topic));
  return { target, joinPayload, documentOf, token: places.has("document") ? token : null, secret, authToken };
}

/** A document's token goes into `connect_document`, any other into the params, unless the user says where. */
function tokenPlaces(
  given: readonly string[] | undefined,
  topics: readonly (string | null)[],
): ReadonlySet<TokenPlace> {
  if (given === undefined) {
    const isDocument = topics.some((topic) => topic !== null && documentName(topic) !== null);
    return new Set([isDocument ? "document" : "param"]);
  }
  return new Set(
    given
      .flatMap((list) => list.split(","))
      .map((place) => {
        const known = TOKEN_PLACES.find((name) => name === place);
        if (known === undefined) throw new Usage(`--token-as takes ${TOKEN_PLACES.join(", ")}`);
        return known;
      }),
  );
}

function pair(text: string, separator: string, option: string, form: string): [string, string] {
  const at = text.indexOf(separator);
  if (at < 1) throw new Usage(`${option} takes ${form}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** The value, and the words of it: "Bearer" isn't secret, nor are the names of cookies. */
function hideHeader(value: string, redactor: Redactor): void {
  redactor.hideSecret(value);
  for (const word of value.split(/[\s,;]+/)) {
    redactor.hideGuessed(word);
    redactor.hideGuessed(word.slice(word.indexOf("=") + 1));
  }
}

function hideInUrl(url: URL, redactor: Redactor): void {
  if (url.password !== "") {
    const [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
    redactor.hideSecret(`${user}:${password}`);
    redactor.hideSecret(password);
  }
  for (const [name, value] of url.searchParams) if (SECRET_NAME.test(name)) redactor.hideSecret(value);
}

/** JSON of the command line. What is wrong with it isn't shown: it may hold a secret. @throws Usage */
export function json(text: string, option: string, redactor: Redactor): unknown {
  try {
    const value = JSON.parse(text) as unknown;
    redactor.hideIn(value);
    return value;
  } catch {
    throw new Usage(`${option} isn't JSON; quote it for the shell: '{"body":"hi"}'`);
  }
}

/** What the doctor says of itself. */
const TRUSTED: ReadonlySet<string> = new Set(
  Object.entries(FAULTS).flatMap(([id, { kind, symptom, cause, fix }]) => [id, kind, symptom, cause, fix]),
);

/** A redactor that knows what the command line says, before anything of it is understood. */
export function redactorFor(argv: readonly string[]): Redactor {
  const redactor = new Redactor(TRUSTED);
  argv.forEach((argument, i) => {
    const [, name, value] = /^--(token|secret|auth-token)(?:=(.*))?$/s.exec(argument) ?? [];
    if (name === undefined) return;
    const hidden = value ?? argv[i + 1] ?? "";
    if (hidden !== STDIN) redactor.hideSecret(hidden);
  });
  return redactor;
}

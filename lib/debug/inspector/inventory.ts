import { RESERVED } from "../../connection/arguments.ts";
import { documentTopic } from "../../documents/names.ts";
import type { FailureStep } from "../../tracing.ts";
import { cut, shown } from "../shown.ts";
import { adviceOf } from "./advice.ts";
import type { Inspected } from "./inspector.ts";

/** Rows of one answer: what is beyond is found by searching. */
const MAX_ROWS = 500;
/** Metas of one presence, and clients of one document. */
const MAX_PARTS = 20;

/** Plain JSON; `key` tells rows of a table apart. */
export type Row = { readonly key: string } & { readonly [column: string]: unknown };

/** A row, and what is made only if it is shown. */
interface Found {
  readonly row: Row;
  readonly more?: () => object;
}

export interface Table {
  readonly rows: readonly Row[];
  /** Rows that there are, and those that the search finds; at most 500 are given. */
  readonly total: number;
  readonly found: number;
}

export type TableName = keyof typeof TABLES;

/** What each table has, and the columns that a search looks into. */
const TABLES = {
  sockets: { rows: sockets, searched: ["number", "socketId", "socket", "transport", "serializer"] },
  channels: { rows: channels, searched: ["topic", "channel", "state", "connection", "socketId"] },
  topics: { rows: topics, searched: ["topic", "channels"] },
  presence: { rows: presences, searched: ["topic", "presence"] },
  documents: { rows: documents, searched: ["tenant", "document"] },
  errors: {
    rows: failures,
    searched: ["id", "step", "code", "topic", "event", "reason", "socketId", "channel"],
  },
} as const satisfies Record<
  string,
  { rows(inspected: Inspected): Iterable<Found>; readonly searched: readonly string[] }
>;

export function isTableName(name: unknown): name is TableName {
  return typeof name === "string" && Object.hasOwn(TABLES, name);
}

/** What a table has at the moment. */
export function table(inspected: Inspected, name: TableName, search: string): Table {
  const { rows, searched } = TABLES[name];
  const wanted = search.toLowerCase();
  const found: Row[] = [];
  let total = 0;
  let matching = 0;
  for (const { row, more } of rows(inspected) as Iterable<Found>) {
    total++;
    if (wanted !== "" && !searched.some((column) => text(row[column]).includes(wanted))) continue;
    matching++;
    if (found.length < MAX_ROWS) found.push({ ...row, ...more?.() });
  }
  return { rows: found, total, found: matching };
}

function text(value: unknown): string {
  if (value === undefined || value === null) return "";
  return (Array.isArray(value) ? value.join(" ") : String(value)).toLowerCase();
}

function* sockets({ connections }: Inspected): Generator<Found> {
  for (const connection of connections()) {
    const { number, id, host, transportKind, serializer, channels, queued, bufferedBytes, since } =
      connection;
    const row = {
      key: String(number),
      number,
      socketId: id === null ? null : cut(id),
      socket: host.socketName,
      transport: transportKind,
      serializer: serializer.version,
      channels,
      queued,
      buffered: bufferedBytes,
      since,
    };
    yield { row };
  }
}

function* channels({ connections }: Inspected): Generator<Found> {
  for (const { number, id, processes } of connections()) {
    for (const { topic, name, state, queued, since } of processes) {
      const row = {
        key: `${number} ${topic}`,
        topic,
        channel: name,
        state,
        connection: number,
        socketId: id === null ? null : cut(id),
        queued,
        since,
      };
      yield { row };
    }
  }
}

/** What is broadcast to, and what is joined: a class may do without the broadcasts of its own topic. */
function* topics({ connections, pubsub }: Inspected): Generator<Found> {
  const joined = new Map<string, { channels: Set<string>; count: number }>();
  const ids = new Set<string>();
  for (const { id, processes } of connections()) {
    if (id !== null) ids.add(id);
    for (const { topic, name } of processes) {
      const known = joined.get(topic);
      if (known === undefined) joined.set(topic, { channels: new Set([name]), count: 1 });
      else {
        known.channels.add(name);
        known.count++;
      }
    }
  }
  for (const [topic, { channels, count }] of joined) {
    const subscribers = pubsub.count(topic);
    yield { row: { key: topic, topic, kind: "topic", channels: [...channels], joined: count, subscribers } };
  }
  for (const [topic, subscribers] of pubsub.counts()) {
    if (joined.has(topic) || topic.startsWith(RESERVED)) continue;
    const kind = ids.has(topic) ? "socket id" : "subscribed";
    yield { row: { key: topic, topic: cut(topic), kind, channels: [], joined: 0, subscribers } };
  }
}

function* presences({ parts, filter }: Inspected): Generator<Found> {
  let number = 0;
  for (const part of parts) {
    number++;
    for (const { topic, key, metas } of part.presences?.() ?? []) {
      yield {
        row: { key: `${number} ${topic} ${key}`, topic, presence: cut(key), count: metas.length },
        more: () => ({ metas: metas.slice(0, MAX_PARTS).map((meta) => shown(meta, filter)) }),
      };
    }
  }
}

function* documents({ parts, filter }: Inspected): Generator<Found> {
  for (const part of parts) {
    for (const session of part.documents?.() ?? []) {
      const { tenant, document, head, minimumSequenceNumber, checkpoint, summary, queued, clients } = session;
      const topic = documentTopic(session);
      const row = {
        key: topic,
        topic,
        tenant,
        document,
        head,
        msn: minimumSequenceNumber,
        clients: clients.length,
        writers: clients.filter(({ mode }) => mode === "write").length,
        checkpoint,
        summary: summary?.sequenceNumber ?? null,
        queued,
      };
      const members = () =>
        clients.slice(0, MAX_PARTS).map(({ clientId, mode, detail }) => ({
          clientId,
          mode,
          ...shown(detail, filter),
        }));
      yield { row, more: () => ({ members: members() }) };
    }
  }
}

function* failures({ tracer }: Inspected): Generator<Found> {
  for (const failure of tracer.failures.latest()) yield { row: failureRow(failure) };
}

function failureRow(failure: FailureStep): Row {
  const { seq, id, at, step, code, topic, event, connection, socketId } = failure;
  const facts = failure as { readonly channel?: string };
  return {
    key: String(seq),
    id,
    at,
    step,
    code,
    topic,
    event,
    connection,
    socketId,
    channel: facts.channel,
    reason: reasonOf(failure),
    advised: adviceOf(failure) !== null,
  };
}

/** In a few words. */
function reasonOf(failure: FailureStep): string {
  switch (failure.step) {
    case "refused":
      return failure.reason === undefined ? `HTTP ${failure.status}` : brief(failure.reason);
    case "denied":
      return failure.reason ?? "";
    case "crashed":
      return `${failure.error.name}: ${failure.error.message}`;
    case "closed":
      return failure.reason === "" ? String(failure.status) : `${failure.status} ${failure.reason}`;
  }
}

function brief(value: unknown): string {
  return cut(typeof value === "string" ? value : (JSON.stringify(value) ?? ""));
}

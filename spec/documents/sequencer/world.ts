import type { LogRecord } from "../../../lib/documents/log/op-log.ts";
import { NOOP, type OpDraft } from "../../../lib/documents/op.ts";
import { StoredRecord } from "../../../lib/documents/record.ts";
import {
  apply,
  type Moved,
  Stamp,
  type Verdict,
  validate,
  validateNoop,
} from "../../../lib/documents/sequencer.ts";
import { DocumentState, type WriteClient } from "../../../lib/documents/state.ts";
import type { Action, OpChoice, RsnChoice } from "./actions.ts";
import { draft, summarize } from "./drafts.ts";
import { check, Reading } from "./reading.ts";

/** Ops that a resent one is known among, by the design. */
const WINDOW = 32;

/** What was accepted of a client, in the order of its CSNs; noops have no SN. */
interface Sent {
  readonly op: OpDraft;
  readonly sn: number | null;
}

/**
 * A document whose ops are stamped into records as a session does it, beside a model that works everything out anew
 * each time. Each step compares the two, and each record is read by a {@link Reading} and by a replica.
 */
export class World {
  readonly records: LogRecord[] = [];
  readonly reading = new Reading();
  readonly sent = new Map<string, Sent[]>();
  readonly counts = { sequenced: 0, duplicates: 0, refused: 0, noops: 0, crashes: 0, resumed: 0 };
  state = new DocumentState();
  readonly #replica = new DocumentState();
  readonly #moved: Moved = new Map();
  #stamp: Stamp | null = null;
  #checkpoint: { readonly bytes: Uint8Array; readonly records: number } | null = null;
  #now = 1000;
  #boot = 1;
  #handles = 0;
  // The model.
  #head = 0;
  #msn = 0;
  #rsns = new Map<string, number>();

  run(history: readonly Action[]): void {
    for (const action of history) this.#act(action);
  }

  /** Everybody leaves, and the log is read from its beginning and from its checkpoint. */
  end(): void {
    for (const clientId of [...this.#rsns.keys()]) this.#leave(clientId);
    this.#append();
    check(this.state.clients.size === 0, "somebody is still there");
    check(same([...this.reading.joined].sort(), [...this.reading.left].sort()), "a join without a leave");
    for (const [clientId, sent] of this.sent) {
      const ops = this.reading.ops.get(clientId) ?? [];
      const real = sent.flatMap(({ op, sn }, i) =>
        sn === null ? [] : [[i + 1, sn, op.type, op.contents, op.metadata]],
      );
      const logged = ops.map((op) => [
        op.clientSequenceNumber,
        op.sequenceNumber,
        op.type,
        JSON.stringify(op.contents),
        op.metadata === undefined ? null : JSON.stringify(op.metadata),
      ]);
      check(same(logged, real), `the log has other ops of ${clientId} than it was told are sequenced`);
    }
    const whole = replay(new DocumentState(), this.records);
    check(equal(whole, this.state), "the whole log gives another state");
    if (this.#checkpoint === null) return;
    const { bytes, records } = this.#checkpoint;
    const tail = replay(DocumentState.decode(bytes), this.records.slice(records));
    check(equal(tail, this.state), "checkpoint and tail give another state");
  }

  #act(action: Action): void {
    const who = "who" in action ? this.#pick(action.who) : undefined;
    switch (action.does) {
      case "join":
        this.#join(action.resumes);
        break;
      case "push":
        if (who !== undefined) this.#push(who, this.#drafts(who, action.ops));
        break;
      case "resend":
        if (who !== undefined) this.#resend(who, action);
        break;
      case "noop":
        if (who !== undefined) this.#noop(who, this.#rsn(who, action.rsn, action.n) ?? this.#head);
        break;
      case "leave":
        if (who !== undefined) this.#leave(who);
        break;
      case "system noop":
        this.#open().noop();
        this.#head++;
        break;
      case "append":
        this.#append();
        break;
      case "tick":
        this.#now = Math.max(0, this.#now + action.ms);
        break;
      case "checkpoint":
        this.#append();
        this.#checkpoint = { bytes: this.state.encode(), records: this.records.length };
        break;
      case "crash":
        this.#crash(action.from);
        break;
    }
  }

  // ── joins and leaves ───────────────────────────────────────────────────────────────────────────────────────

  #join(resumes: number | null): void {
    const stamp = this.#open();
    const known = [...this.sent.keys()];
    const old = resumes === null ? undefined : known[resumes % known.length];
    if (old !== undefined) {
      if (this.#rsns.has(old)) this.#leave(old);
      const departed = this.state.departed.get(old);
      const sent = this.sent.get(old) ?? [];
      const last = sent.findLastIndex(({ sn }) => sn !== null);
      check(departed !== undefined, `${old} left without a trace`);
      check(departed.sn === (sent[last]?.sn ?? 0), `${old} resumes behind another op than its last`);
      // Noops may have taken numbers behind it.
      check(departed.csn > last && departed.csn <= sent.length, `${old} resumes at CSN ${departed.csn}`);
      this.counts.resumed++;
    }
    const clientId = `client-${known.length}`;
    check(stamp.join(clientId, { user: { id: "ada" } }) === ++this.#head, "a join with another number");
    this.sent.set(clientId, []);
    this.#rsns.set(clientId, this.#msn);
  }

  #leave(clientId: string): void {
    const stamp = this.#open();
    this.#rsns.delete(clientId);
    this.#raise();
    check(stamp.leave(clientId) === ++this.#head, "a leave with another number");
  }

  // ── pushes ─────────────────────────────────────────────────────────────────────────────────────────────────

  #push(clientId: string, ops: readonly OpDraft[]): void {
    // Where its noops have moved it is for a record to say, before it goes on.
    if (this.#stamp !== null && this.#moved.has(clientId)) this.#append();
    const client = this.state.clients.get(clientId) as WriteClient;
    const verdict = validate(this.state, client, ops, this.#moved);
    const expected = this.#expect(clientId, ops);
    check(
      same(brief(verdict), expected),
      `${JSON.stringify(verdict)} instead of ${JSON.stringify(expected)} for ${JSON.stringify(ops)}`,
    );
    if (verdict.kind === "refuse") this.counts.refused++;
    if (verdict.kind === "duplicate") this.counts.duplicates++;
    if (verdict.kind !== "sequence") return;
    this.counts.sequenced++;
    const rest = ops.slice(verdict.skip);
    if (rest.every(({ type }) => type === NOOP)) {
      const csn = (this.sent.get(clientId)?.length ?? 0) + rest.length;
      this.#moved.set(clientId, { rsn: rest.at(-1)?.rsn ?? this.#head, csn });
      for (const op of rest) this.sent.get(clientId)?.push({ op, sn: null });
      this.counts.noops++;
      return;
    }
    const { first, last, trailing } = this.#open().push(client, ops, verdict.skip);
    const placed = this.#place(clientId, rest);
    check(
      same({ first, last, trailing }, placed),
      `${JSON.stringify({ first, last, trailing })}, not ${JSON.stringify(placed)}`,
    );
    if (trailing !== null) this.#moved.set(clientId, trailing);
  }

  /** What the design says of a push. */
  #expect(clientId: string, ops: readonly OpDraft[]): object {
    const sent = this.sent.get(clientId) ?? [];
    const window = sent.flatMap(({ sn }, i) => (sn === null ? [] : [i])).slice(-WINDOW);
    let low = this.#msn;
    if (this.#moved.size > 0) {
      const moved = [...this.#rsns].map(([id, rsn]) => Math.max(rsn, this.#moved.get(id)?.rsn ?? 0));
      low = Math.max(low, Math.min(...moved));
    }
    const places: number[] = [];
    let skip = 0;
    for (const [index, op] of ops.entries()) {
      const next = sent.length + 1 + index - skip;
      if (op.csn !== null && op.csn !== next) {
        const before = op.csn <= sent.length && index === skip ? sent[op.csn - 1] : undefined;
        if (before === undefined) return { refused: "invalid_csn", index };
        const known = window.includes(op.csn - 1);
        const again = known
          ? before.op.type === op.type &&
            before.op.contents === op.contents &&
            before.op.metadata === op.metadata
          : op.type === NOOP;
        if (!again) return { refused: "invalid_csn", index };
        if (known && before.sn !== null) places.push(before.sn);
        skip++;
        continue;
      }
      const rsn = op.rsn ?? this.#head;
      if (op.rsn !== null && (rsn > this.#head || rsn < low)) return { refused: "invalid_rsn", index };
      low = rsn;
    }
    if (skip < ops.length) return { skip };
    const latest = sent.findLast(({ sn }) => sn !== null)?.sn ?? 0;
    return { first: places[0] ?? latest, last: places.at(-1) ?? latest };
  }

  /** Gives ops their place in the model. */
  #place(clientId: string, ops: readonly OpDraft[]): object {
    let first = 0;
    let last = 0;
    let trailing: object | null = null;
    const sent = this.sent.get(clientId) ?? [];
    const head = this.#head;
    for (const op of ops) {
      const rsn = op.rsn ?? head;
      if (op.type === NOOP) {
        sent.push({ op, sn: null });
        trailing = { rsn, csn: sent.length };
        continue;
      }
      trailing = null;
      this.#rsns.set(clientId, rsn);
      this.#raise();
      last = ++this.#head;
      first ||= last;
      sent.push({ op, sn: last });
      // Its answer has a number, too.
      if (op.summary !== null) this.#head++;
    }
    return { first, last, trailing };
  }

  #noop(clientId: string, rsn: number): void {
    const refused = rsn > this.#head || rsn < this.#msn;
    check((validateNoop(this.state, rsn) !== null) === refused, `the noop to ${rsn} is judged wrongly`);
    if (refused) return;
    this.#moved.set(clientId, { rsn, csn: this.sent.get(clientId)?.length ?? 0 });
    this.counts.noops++;
  }

  // ── records ────────────────────────────────────────────────────────────────────────────────────────────────

  #open(): Stamp {
    if (this.#stamp !== null) return this.#stamp;
    for (const [clientId, { rsn }] of this.#moved) {
      const old = this.#rsns.get(clientId);
      if (old !== undefined) this.#rsns.set(clientId, Math.max(old, rsn));
    }
    this.#raise();
    const options = { node: "node", boot: `boot-${this.#boot}`, now: this.#now, moved: this.#moved };
    this.#stamp = new Stamp(this.state, options);
    check(this.#moved.size === 0, "noops that stay behind");
    return this.#stamp;
  }

  #append(): void {
    if (this.#stamp === null) return;
    const { ops } = this.#stamp;
    check(ops.length > 0, "a record without ops");
    const record = this.#stamp.finish();
    this.#stamp = null;
    check(record.prev === (this.records.at(-1)?.id ?? ""), "a record that follows another");
    check(same([...new StoredRecord(record).wire(record.first - 1)], ops), "ops with other bytes");
    this.records.push(record);
    this.reading.read(record);
    apply(this.#replica, record);
    check(equal(this.#replica, this.state), "the replica comes to another state");
    check(this.state.sn === this.#head && this.state.msn === this.#msn, "the model comes to another state");
    for (const [clientId, rsn] of this.#rsns)
      check(this.state.clients.get(clientId)?.rsn === rsn, "another RSN");
    check(
      this.state.summary?.sequenceNumber === this.reading.summaries.at(-1)?.sequenceNumber,
      "another summary",
    );
    check(same([...this.state.departed], [...this.reading.departed]), "others have left");
  }

  #crash(from: "checkpoint" | "log"): void {
    this.counts.crashes++;
    this.#stamp = null;
    this.#moved.clear();
    const start = from === "checkpoint" ? this.#checkpoint : null;
    const state = start === null ? new DocumentState() : DocumentState.decode(start.bytes);
    this.state = replay(state, this.records.slice(start?.records ?? 0));
    check(equal(this.state, this.#replica), "another state than the one before the crash");
    this.#head = this.reading.sn;
    this.#msn = this.reading.msn;
    this.#rsns = new Map([...this.reading.clients].map(([clientId, { rsn }]) => [clientId, rsn]));
    for (const [clientId, sent] of this.sent) {
      if (!this.reading.joined.has(clientId)) this.sent.delete(clientId);
      else sent.length = 1 + sent.findLastIndex(({ sn }) => sn !== null && sn <= this.#head);
    }
    // What noops took is in the log, if it is there, as a number only.
    for (const [clientId, { csn }] of [...this.reading.clients, ...this.reading.departed]) {
      const sent = this.sent.get(clientId) ?? [];
      while (sent.length < csn) sent.push({ op: draft({ type: NOOP, csn: sent.length + 1 }), sn: null });
    }
    this.#boot++;
    // The clients of the process that died are gone with it.
    for (const { clientId, boot } of [...this.state.clients.values()]) {
      check(boot !== `boot-${this.#boot}`, "a client of a boot that hasn't been");
      this.#leave(clientId);
    }
    this.#append();
  }

  // ── choices ────────────────────────────────────────────────────────────────────────────────────────────────

  #pick(n: number): string | undefined {
    const connected = [...this.#rsns.keys()];
    return connected[n % connected.length];
  }

  #drafts(clientId: string, choices: readonly OpChoice[]): OpDraft[] {
    const owed = (this.sent.get(clientId)?.length ?? 0) + 1;
    return choices.map(({ type, contents, metadata, follows, resolves, n, ...choice }, i) => {
      const csns = { next: owed + i, null: null, gap: owed + i + 1 + (n % 3), old: 1 + (n % owed) };
      const numbers = { csn: csns[choice.csn], rsn: this.#rsn(clientId, choice.rsn, n) };
      if (type === "noop") return draft({ ...numbers, type: NOOP });
      if (type === "op") return draft({ ...numbers, contents, metadata });
      const parent = follows ? (this.state.summary?.handle ?? null) : "another";
      return summarize(`summary-${this.#handles++}`, parent, { ...numbers, resolves });
    });
  }

  #rsn(clientId: string, choice: RsnChoice, n: number): number | null {
    const own = Math.max(this.#rsns.get(clientId) ?? 0, this.#moved.get(clientId)?.rsn ?? 0);
    switch (choice) {
      case "null":
        return null;
      case "head":
        return this.#head;
      case "own":
        return own;
      case "minimum":
        return this.#msn;
      case "between":
        return own + (n % (this.#head - own + 1));
      case "above":
        return this.#head + 1 + (n % 3);
      case "below":
        return Math.max(0, own - 1 - (n % 10));
    }
  }

  #resend(clientId: string, { back, tampered, more }: Extract<Action, { does: "resend" }>): void {
    const sent = this.sent.get(clientId) ?? [];
    const from = Math.max(0, sent.length - back);
    const again: OpDraft[] = sent.slice(from).map(({ op }, i) => ({ ...op, csn: from + i + 1 }));
    const last = again.at(-1);
    if (tampered && last !== undefined && last.type !== NOOP) {
      again[again.length - 1] = draft({ csn: last.csn, rsn: last.rsn, contents: "tampered" });
    }
    const ops = [...again, ...this.#drafts(clientId, more)];
    if (ops.length > 0) this.#push(clientId, ops);
  }

  #raise(): void {
    if (this.#rsns.size > 0) this.#msn = Math.max(this.#msn, Math.min(...this.#rsns.values()));
  }
}

export function replay(state: DocumentState, records: readonly LogRecord[]): DocumentState {
  for (const record of records) apply(state, record);
  return state;
}

export function equal(a: DocumentState, b: DocumentState): boolean {
  return Buffer.compare(a.encode(), b.encode()) === 0;
}

/** Compares by JSON, which is quick, and enough for lists and objects made in one place. */
function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function brief(verdict: Verdict): object {
  if (verdict.kind === "sequence") return { skip: verdict.skip };
  if (verdict.kind === "duplicate") return { first: verdict.first, last: verdict.last };
  return { refused: verdict.reason, index: verdict.index };
}

import { expect } from "chai";
import fc from "fast-check";
import { systemClock } from "../../lib/clock.ts";
import { MemoryOpLog, type SequencedOp } from "../../lib/documents/index.ts";
import { loadState } from "../../lib/documents/load.ts";
import type { AnswerOf, DocumentPeer, Json } from "./document-peer.ts";
import { documentsInMemory, FULL, READ } from "./served.ts";

const RUNS = Number(process.env.DOCUMENT_FUZZ_RUNS ?? 60);

const EVENTS = [
  "connect_document",
  "submitOp",
  "submitSignal",
  "noop",
  "requestOps",
  "access_token",
  "other",
];

/** Values that code is seldom written for. */
const odd = fc.oneof(
  { depthSize: "small", withCrossShrink: true },
  fc.constantFrom(
    null,
    true,
    "",
    "__proto__",
    "constructor",
    "\ud800",
    "\u0000",
    -1,
    0,
    -0,
    1,
    2,
    1.5,
    1e308,
    2 ** 53,
    -(2 ** 53),
  ),
  fc.constantFrom(
    [],
    {},
    [[]],
    [[[]]],
    [null],
    { toString: null },
    { valueOf: 1, toString: 1 },
    { length: 1e9 },
    { toJSON: "x" },
  ),
  fc.jsonValue({ maxDepth: 3 }),
);

/** Records that have a good many of these fields, with right and wrong values. */
function shaped(fields: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<Json> {
  const maybe = Object.fromEntries(
    Object.entries(fields).map(([key, right]) => [
      key,
      fc.oneof({ weight: 4, arbitrary: right }, { weight: 1, arbitrary: odd }),
    ]),
  );
  return fc.oneof(
    { weight: 8, arbitrary: fc.record(maybe, { requiredKeys: [] }) },
    { weight: 1, arbitrary: odd },
  );
}

const small = fc.integer({ min: 0, max: 12 });
/** Stands for the client's own id, which isn't known when payloads are made. */
const OWN = "$own";
const clientId = fc.constantFrom(OWN, OWN, OWN, "somebody");

const op = shaped({
  type: fc.constantFrom("op", "op", "op", "noop", "summarize", "join", "leave", "x"),
  contents: fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.record({ handle: fc.string(), head: fc.constantFrom("", "s1") }),
  ),
  clientSequenceNumber: small,
  referenceSequenceNumber: small,
  metadata: fc.jsonValue({ maxDepth: 1 }),
  compression: fc.string(),
});

const PAYLOADS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  connect_document: shaped({
    tenantId: fc.constant("acme"),
    id: fc.constant("doc-1"),
    token: fc.constant("$token"),
    client: fc.jsonValue({ maxDepth: 2 }),
    mode: fc.constantFrom("read", "write"),
    versions: fc.array(fc.constantFrom("^0.1.0", "0.4.0", "9")),
    lastSeenSequenceNumber: small,
    resume: fc.record({ clientId, key: fc.string() }),
  }),
  submitOp: fc.oneof(
    shaped({
      clientId,
      messageBatches: fc.array(fc.oneof(fc.array(op, { maxLength: 3 }), op), { maxLength: 3 }),
    }),
    op,
  ),
  submitSignal: shaped({
    clientId,
    contentBatches: fc.array(
      shaped({
        signal: odd,
        address: odd,
        targetedClients: fc.array(clientId),
        ignoredClients: fc.array(clientId),
        targetClientId: clientId,
      }),
      { maxLength: 3 },
    ),
  }),
  noop: shaped({ clientId, referenceSequenceNumber: small }),
  requestOps: shaped({ from: small, to: small, event: fc.boolean() }),
  access_token: shaped({ token: fc.constant("$token") }),
  other: odd,
};

const push = fc
  .constantFrom(...EVENTS)
  .chain((event) => fc.tuple(fc.constant(event), PAYLOADS[event] as fc.Arbitrary<unknown>));

/** Puts what is known now in the place of what stands for it. */
function filled(payload: unknown, peer: DocumentPeer, token: string): unknown {
  const own = peer.connected?.clientId ?? "none";
  return JSON.parse(JSON.stringify(payload) ?? "null", (_key, value) =>
    value === OWN ? own : value === "$token" ? token : value,
  );
}

/** What must be true of any document's ops, whatever clients have sent. */
function assertOrder(ops: readonly SequencedOp[]): void {
  const counts = new Map<string, number>();
  const connected = new Map<string, number>();
  let msn = 0;
  let time = 0;
  for (const [
    i,
    { sequenceNumber, minimumSequenceNumber, clientSequenceNumber, referenceSequenceNumber, ...op },
  ] of ops.entries()) {
    expect(sequenceNumber).to.equal(i + 1);
    expect(minimumSequenceNumber).to.be.at.least(msn).and.below(sequenceNumber);
    expect(op.timestamp).to.be.at.least(time);
    msn = minimumSequenceNumber;
    time = op.timestamp;
    if (op.clientId === null) {
      const { clientId = op.contents as string } = (op.contents ?? {}) as { clientId?: string };
      if (op.type === "join") {
        connected.set(clientId, msn);
        counts.set(clientId, 0);
      } else if (op.type === "leave") {
        expect(connected.delete(clientId), "a leave without a join").to.equal(true);
      }
      continue;
    }
    expect(connected.has(op.clientId), "an op of one that isn't connected").to.equal(true);
    expect(op.type).to.not.be.oneOf(["join", "leave", "summaryAck", "summaryNack", "noop"]);
    expect(clientSequenceNumber).to.be.above(counts.get(op.clientId) as number);
    counts.set(op.clientId, clientSequenceNumber);
    expect(referenceSequenceNumber).to.be.at.least(msn).and.below(sequenceNumber);
  }
}

describe("the document channel under hostile payloads", () => {
  it("answers every push, crashes nothing, and keeps its order", async function () {
    this.timeout(60_000);
    const property = fc.asyncProperty(
      fc.constantFrom("1.0.0", "2.0.0", "3.0.0") as fc.Arbitrary<"1.0.0" | "2.0.0" | "3.0.0">,
      fc.boolean(),
      fc.boolean(),
      fc.array(push, { minLength: 1, maxLength: 25 }),
      async (vsn, connects, atOnce, pushes) => {
        const log = new MemoryOpLog();
        const served = await documentsInMemory({ documents: { log } });
        const witness = await served.enter({ user: "witness" });
        const peer = connects ? await served.enter({ vsn, user: "eve" }) : await served.lurk({ vsn });
        const token = served.token({ user: "eve", scopes: FULL });
        const taken = (event: string, { status, response }: AnswerOf) => {
          expect(status).to.be.oneOf(["ok", "error"]);
          if (status === "error") expect(response.reason).to.be.a("string");
          if (event === "connect_document" && status === "ok") peer.connected = response;
        };
        if (atOnce) {
          const events = pushes.map(([event, payload]) => [event, filled(payload, peer, token)] as const);
          const refs = peer.burst(events);
          for (const [i, ref] of refs.entries()) taken(events[i]?.[0] ?? "", await peer.reply(ref));
        } else {
          for (const [event, payload] of pushes) {
            taken(event, await peer.ask(event, filled(payload, peer, token)));
          }
        }
        expect((await witness.ask("submitOp", { type: "op", contents: "alive" })).status).to.equal("ok");
        const { head } = served.documents.registry.lookup("acme", "doc-1") ?? { head: -1 };
        const ops = await witness.caughtUp(head);
        assertOrder(ops);
        expect(
          served.lines.filter(({ level }) => level === "error"),
          served.logged(),
        ).to.deep.equal([]);
        expect(witness.all.filter(({ event }) => event === "nack" || event === "phx_error")).to.deep.equal(
          [],
        );
        // What the log says is what the session knew.
        const state = await loadState(log, { tenant: "acme", document: "doc-1" }, systemClock);
        const reader = await served.enter({ user: "reader", scopes: READ });
        expect([state.sn, state.msn]).to.deep.equal([head, ops.at(-1)?.minimumSequenceNumber]);
        expect(JSON.stringify(reader.ops)).to.equal(JSON.stringify(ops));
        for (const one of [peer, witness, reader]) one.ws.terminate();
        await served.endpoint.close({ timeoutMs: 0 });
      },
    );
    await fc.assert(property, { numRuns: RUNS, endOnFailure: false });
  });

  /** JSON text of lists in lists. */
  const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;

  const DEEP: readonly [
    event: string,
    payload: (json: string, clientId: string) => string,
    reason: string | null,
  ][] = [
    ["submitOp", (json) => `{"type":"op","contents":${json}}`, "malformed"],
    ["submitOp", (json) => `{"type":"op","metadata":${json}}`, "malformed"],
    ["submitOp", (json) => `{"type":${json},"contents":1}`, "malformed"],
    ["submitOp", (json) => `{"type":"leave","contents":${json}}`, "malformed"],
    ["submitOp", (json, id) => `{"clientId":"${id}","messageBatches":${json}}`, "malformed"],
    [
      "submitOp",
      (json, id) => `{"clientId":"${id}","messageBatches":[[{"type":"op","clientSequenceNumber":${json}}]]}`,
      "malformed",
    ],
    ["submitOp", (json) => `{"clientId":${json},"messageBatches":[]}`, "client_mismatch"],
    ["submitOp", (json) => json, "malformed"],
    ["submitOp", (json) => `{"type":"summarize","contents":${json}}`, "malformed"],
    ["submitSignal", (json) => `{"contentBatches":[[${json}]]}`, "malformed"],
    ["submitSignal", (json) => `{"contentBatches":[{"signal":${json}}]}`, "malformed"],
    ["submitSignal", (json) => `{"contentBatches":[{"signal":1,"targetedClients":${json}}]}`, "malformed"],
    ["noop", (json) => `{"referenceSequenceNumber":${json}}`, "malformed"],
    ["requestOps", (json) => `{"from":${json}}`, "malformed"],
    ["access_token", (json) => `{"token":${json}}`, "malformed_token"],
    ["connect_document", (json) => json, "already_connected"],
    ["unknown", (json) => json, "unmatched event"],
  ];
  for (const [event, payload, reason] of DEEP) {
    it(`nested 200,000 levels deep are answered: ${event} ${payload("…", "id")}`, async () => {
      const served = await documentsInMemory();
      const ada = await served.enter();
      // As text, since nothing here could write it either.
      ada.ws.send(`["j1","deep","${ada.topic}","${event}",${payload(deep(200_000), ada.clientId)}]`);
      const { status, response } = await ada.reply("deep");
      expect([status, response.reason]).to.deep.equal(["error", reason]);
      expect((await ada.ask("requestOps", { from: 0 })).response.head).to.equal(1);
      expect(served.lines.filter(({ level }) => level === "error")).to.deep.equal([]);
    });
  }

  it("nested deep are answered in connect_document", async () => {
    const served = await documentsInMemory();
    for (const field of [
      "client",
      "mode",
      "versions",
      "lastSeenSequenceNumber",
      "resume",
      "tenantId",
      "token",
    ]) {
      const peer = await served.lurk();
      const rest = { tenantId: "acme", id: "doc-1", token: served.token() };
      const payload = `${JSON.stringify({ ...rest, [field]: undefined }).slice(0, -1)},"${field}":${deep(200_000)}}`;
      peer.ws.send(`["j1","deep","${peer.topic}","connect_document",${payload}]`);
      const { response } = await peer.reply("deep");
      expect([field, response.reason]).to.deep.equal([
        field,
        field === "versions" ? "unsupported_version" : "malformed",
      ]);
    }
    expect(served.lines.filter(({ level }) => level === "error")).to.deep.equal([]);
  });

  it("in bytes are answered as what they aren't", async () => {
    const served = await documentsInMemory();
    const lurker = await served.lurk();
    const ada = await served.enter();
    const bytes = (peer: DocumentPeer, event: string) => {
      const [join, ref, topic, name] = ["j1", "b1", peer.topic, event].map((part) => Buffer.from(part)) as [
        Buffer,
        Buffer,
        Buffer,
        Buffer,
      ];
      peer.ws.send(
        Buffer.concat([
          Buffer.from([0, join.length, ref.length, topic.length, name.length]),
          join,
          ref,
          topic,
          name,
          Buffer.from([1, 2]),
        ]),
      );
      return peer.reply("b1");
    };
    expect((await bytes(lurker, "connect_document")).response.reason).to.equal("malformed");
    for (const [event, reason] of [
      ["submitOp", "malformed"],
      ["submitSignal", "malformed"],
      ["noop", "malformed"],
      ["requestOps", "malformed"],
      ["access_token", "malformed_token"],
      ["connect_document", "already_connected"],
    ] as const) {
      expect([event, (await bytes(ada, event)).response.reason]).to.deep.equal([event, reason]);
    }
  });

  it("with numbers beyond all bounds are refused, and change nothing", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    for (const number of ["1e999", "-1e999", "9007199254740993", "1e21", "-0.1", "99999999999999999999"]) {
      ada.ws.send(
        `["j1","n","${ada.topic}","submitOp",{"clientId":"${ada.clientId}","messageBatches":[[{"type":"op","clientSequenceNumber":${number},"referenceSequenceNumber":1}]]}]`,
      );
      expect((await ada.reply("n")).response.reason).to.equal("malformed");
      ada.ws.send(`["j1","n","${ada.topic}","noop",{"referenceSequenceNumber":${number}}]`);
      expect((await ada.reply("n")).response.reason).to.equal("malformed");
    }
    ada.ws.send(
      `["j1","n","${ada.topic}","submitOp",{"type":"op","contents":[1e999,-0,12345678901234567890]}]`,
    );
    expect((await ada.reply("n")).status).to.equal("ok");
    const [, { contents }] = (await ada.caughtUp(2)) as [SequencedOp, SequencedOp];
    expect(contents, "what JSON.parse makes of them, and JSON.stringify of that").to.deep.equal([
      null,
      0,
      12345678901234567000,
    ]);
    await served.documents.registry.stop("acme", "doc-1");
    const again = await served.enter();
    expect(JSON.stringify(again.ops[1]), "read from the log").to.equal(JSON.stringify(ada.ops[1]));
  });
});

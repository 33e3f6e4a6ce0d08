import fc from "fast-check";

/** How the reference sequence number of an op is picked. */
export type RsnChoice = "head" | "own" | "minimum" | "between" | "null" | "above" | "below";

export interface OpChoice {
  readonly type: "op" | "noop" | "summarize";
  readonly csn: "next" | "null" | "gap" | "old";
  readonly rsn: RsnChoice;
  readonly contents: unknown;
  readonly metadata: unknown;
  /** Of a summary: whether it follows the latest one, and whether its handle exists. */
  readonly follows: boolean;
  readonly resolves: boolean;
  /** A number to pick with. */
  readonly n: number;
}

/** One thing that happens to a document. Clients are picked by numbers, so that any history makes sense. */
export type Action =
  | { readonly does: "join"; readonly resumes: number | null }
  | { readonly does: "push"; readonly who: number; readonly ops: readonly OpChoice[] }
  /** What the client has sent before, from some op on; perhaps one with other contents, perhaps more behind it. */
  | {
      readonly does: "resend";
      readonly who: number;
      readonly back: number;
      readonly tampered: boolean;
      readonly more: readonly OpChoice[];
    }
  | { readonly does: "noop"; readonly who: number; readonly rsn: RsnChoice; readonly n: number }
  | { readonly does: "leave"; readonly who: number }
  | { readonly does: "system noop" }
  | { readonly does: "append" }
  | { readonly does: "tick"; readonly ms: number }
  | { readonly does: "checkpoint" }
  /** The process dies, and what it had not appended with it. */
  | { readonly does: "crash"; readonly from: "checkpoint" | "log" };

const number = fc.nat(1000);

const rsn: fc.Arbitrary<RsnChoice> = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom<RsnChoice>("head", "own", "between", "between") },
  { weight: 3, arbitrary: fc.constantFrom<RsnChoice>("minimum", "null") },
  { weight: 1, arbitrary: fc.constantFrom<RsnChoice>("above", "below") },
);

const op: fc.Arbitrary<OpChoice> = fc.record({
  type: fc.oneof(
    { weight: 12, arbitrary: fc.constant("op" as const) },
    { weight: 4, arbitrary: fc.constant("noop" as const) },
    { weight: 2, arbitrary: fc.constant("summarize" as const) },
  ),
  csn: fc.oneof(
    { weight: 40, arbitrary: fc.constant("next" as const) },
    { weight: 2, arbitrary: fc.constant("null" as const) },
    { weight: 1, arbitrary: fc.constantFrom("gap" as const, "old" as const) },
  ),
  rsn,
  contents: fc.oneof(
    { weight: 5, arbitrary: number },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<unknown>(
        "\ud800",
        "\u2028\n",
        JSON.parse('{"__proto__":{"a":1},"constructor":2}'),
        [],
      ),
    },
  ),
  metadata: fc.option(fc.constantFrom<unknown>(null, { batch: true }, "x"), { nil: undefined, freq: 4 }),
  follows: fc.oneof(
    { weight: 4, arbitrary: fc.constant(true) },
    { weight: 1, arbitrary: fc.constant(false) },
  ),
  resolves: fc.oneof(
    { weight: 5, arbitrary: fc.constant(true) },
    { weight: 1, arbitrary: fc.constant(false) },
  ),
  n: number,
});

const ops = fc.array(op, { minLength: 1, maxLength: 6, size: "max" });

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ does: fc.constant("join" as const), resumes: fc.option(number, { freq: 2 }) }),
  },
  { weight: 25, arbitrary: fc.record({ does: fc.constant("push" as const), who: number, ops }) },
  {
    weight: 6,
    arbitrary: fc.record({
      does: fc.constant("resend" as const),
      who: number,
      back: fc.nat(40),
      tampered: fc.oneof(
        { weight: 3, arbitrary: fc.constant(false) },
        { weight: 1, arbitrary: fc.constant(true) },
      ),
      more: fc.array(op, { maxLength: 2 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ does: fc.constant("noop" as const), who: number, rsn, n: number }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant("leave" as const), who: number }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("system noop" as const) }) },
  { weight: 14, arbitrary: fc.record({ does: fc.constant("append" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ does: fc.constant("tick" as const), ms: fc.integer({ min: -500, max: 1000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("checkpoint" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant("crash" as const),
      from: fc.constantFrom("checkpoint" as const, "log" as const),
    }),
  },
);

/** What happens to a document in its life, with many clients. */
export const histories: fc.Arbitrary<Action[]> = fc.array(action, {
  minLength: 1,
  maxLength: 200,
  size: "max",
});

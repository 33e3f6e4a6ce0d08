import { createContext, runInContext } from "node:vm";
import { expect } from "chai";
import { error, ok, PayloadError, reply } from "../../lib/index.ts";
import { decodeFrozen, encodePayload, encodeReplyPayload } from "../../lib/protocol/payload.ts";

class Point {
  x = 1;
  get sum() {
    return this.x + 1;
  }
}

class Money {
  readonly cents = 250;
  toJSON() {
    return { amount: "2.50" };
  }
}

function cycle() {
  const value: Record<string, unknown> = { list: [] };
  (value.list as unknown[]).push({ value });
  return value;
}

/** `{a: {a: … {}}}`, deeper than any stack. */
function deep(levels: number): object {
  let value = {};
  for (let i = 0; i < levels; i++) value = { a: value };
  return value;
}

function refuses(encode: (value: unknown) => unknown, value: unknown): PayloadError {
  try {
    encode(value);
  } catch (thrown) {
    expect(thrown).to.be.instanceOf(PayloadError);
    expect((thrown as PayloadError).code).to.equal("invalid_payload");
    return thrown as PayloadError;
  }
  throw new Error("it was encoded");
}

describe("payloads", () => {
  describe("of pushes and broadcasts", () => {
    it("are plain objects, absent means {}", () => {
      expect(encodePayload(undefined)).to.equal("{}");
      expect(encodePayload({})).to.equal("{}");
      expect(encodePayload({ a: [1, "é", null, true, { b: {} }] })).to.equal(
        '{"a":[1,"é",null,true,{"b":{}}]}',
      );
    });

    it("may have no prototype, come from another realm, or have a toJSON that gives an object", () => {
      const bare = Object.assign(Object.create(null), { a: 1 });
      expect(encodePayload(bare)).to.equal('{"a":1}');
      const context = createContext({});
      expect(encodePayload(runInContext("({a: [1, {b: 2}]})", context))).to.equal('{"a":[1,{"b":2}]}');
      expect(encodePayload(new Money())).to.equal('{"amount":"2.50"}');
    });

    it("may be bytes, a Buffer too", () => {
      expect(encodePayload(Uint8Array.of(1, 2))).to.deep.equal(Uint8Array.of(1, 2));
      expect([...(encodePayload(Buffer.from([1, 2])) as Uint8Array)]).to.deep.equal([1, 2]);
      expect(encodePayload(new Uint8Array())).to.have.length(0);
    });

    it("are nothing else", () => {
      for (const value of [
        null,
        0,
        1,
        NaN,
        "",
        "text",
        true,
        [],
        [{}],
        1n,
        Symbol("s"),
        () => ({}),
        class {},
        new Point(),
        new Date(0),
        new Map([["a", 1]]),
        new Set([1]),
        new Error("x"),
        /x/,
        Promise.resolve({}),
        new Uint16Array(1),
        new ArrayBuffer(1),
        new DataView(new ArrayBuffer(1)),
        Object(1),
        new Proxy([], {}),
        { toJSON: () => "text" },
        { toJSON: () => [] },
        { toJSON: () => undefined },
      ]) {
        refuses(encodePayload, value);
      }
    });

    it("an error says what was given and how to mend it", () => {
      expect(refuses(encodePayload, [1, 2]).message)
        .to.include("an array of 2")
        .and.include("wrap it");
      expect(refuses(encodePayload, new Point()).message).to.include("an instance of Point");
      expect(refuses(encodePayload, Promise.resolve()).message).to.include("Promise");
    });
  });

  describe("of replies", () => {
    it("are any JSON value, absent means {}", () => {
      for (const value of [null, 0, -1.5, "", "text", true, false, [], [1, [2]], {}, { a: null }]) {
        expect(encodeReplyPayload(value)).to.equal(JSON.stringify(value));
      }
      expect(encodeReplyPayload(undefined)).to.equal("{}");
      expect(ok().encoded).to.equal("{}");
      expect(error().encoded).to.equal("{}");
    });

    it("write class instances and dates as JSON does", () => {
      expect(encodeReplyPayload(new Point())).to.equal('{"x":1}');
      expect(encodeReplyPayload(new Date(0))).to.equal('"1970-01-01T00:00:00.000Z"');
      expect(encodeReplyPayload({ at: new Date(0), p: new Point(), m: new Money() })).to.equal(
        '{"at":"1970-01-01T00:00:00.000Z","p":{"x":1},"m":{"amount":"2.50"}}',
      );
    });

    it("leave out undefined in objects, and write null for it in arrays, as JSON does", () => {
      expect(encodeReplyPayload({ a: undefined, b: 1 })).to.equal('{"b":1}');
      expect(encodeReplyPayload([undefined, 1])).to.equal("[null,1]");
    });

    it("may be bytes", () => {
      expect(encodeReplyPayload(Uint8Array.of(7))).to.deep.equal(Uint8Array.of(7));
    });

    it("throw at ok, error and reply, not when they are sent", () => {
      for (const make of [ok, error, (value: unknown) => reply("maybe", value)]) refuses(make, { n: 1n });
    });
  });

  for (const [name, encode] of [
    ["push", encodePayload],
    ["reply", encodeReplyPayload],
  ] as const) {
    describe(`that can't be encoded (${name})`, () => {
      it("BigInt", () => {
        expect(refuses(encode, { deep: [{ n: 1n }] }).message).to.include("BigInt");
      });

      it("cycles", () => {
        expect(refuses(encode, cycle()).message).to.include("circular").and.not.include("\n");
      });

      it("functions and symbols at any depth, named by their path", () => {
        expect(refuses(encode, { a: [0, { b() {} }] }).message).to.include("payload.a[1].b");
        expect(refuses(encode, { a: Symbol("s") }).message).to.include("payload.a");
        expect(refuses(encode, { c: class Thing {} }).message).to.include("payload.c");
      });

      it("Map, Set and Promise within: JSON would write {}", () => {
        for (const value of [new Map([[1, 2]]), new Set([1]), Promise.resolve(1)]) {
          expect(refuses(encode, { list: [value] }).message).to.include("payload.list[0]");
        }
      });

      it("what throws while it is read", () => {
        refuses(encode, {
          get a() {
            throw new Error("from a getter");
          },
        });
        refuses(encode, {
          toJSON() {
            // Not an Error: the message must cope.
            throw undefined;
          },
        });
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        refuses(encode, { proxy });
      });

      it("deeper than the stack", () => {
        refuses(encode, deep(200_000));
      });
    });
  }

  it("are encoded when they are given: later changes don't show", () => {
    const value = { list: [1] };
    const answer = ok(value);
    const pushed = encodePayload(value);
    value.list.push(2);
    expect(answer.encoded).to.equal('{"list":[1]}');
    expect(pushed).to.equal('{"list":[1]}');
  });

  it("are copied if they are bytes, of a Buffer too, whose slice is a view", () => {
    for (const bytes of [Uint8Array.of(1, 2), Buffer.from([1, 2]), Buffer.from([0, 1, 2]).subarray(1)]) {
      const pushed = encodePayload(bytes) as Uint8Array;
      const answer = ok(bytes).encoded as Uint8Array;
      bytes.fill(9);
      expect([...pushed], bytes.constructor.name).to.deep.equal([1, 2]);
      expect([...answer], bytes.constructor.name).to.deep.equal([1, 2]);
    }
  });

  describe("decoded for handleOut, handleInfo and listeners", () => {
    it("are frozen to the bottom", () => {
      const value = decodeFrozen('{"a":[{"b":{"c":1}}],"d":null}') as { a: [{ b: object }] };
      for (const part of [value, value.a, value.a[0], value.a[0].b])
        expect(Object.isFrozen(part)).to.equal(true);
      expect(() => value.a.push({ b: {} } as never)).to.throw(TypeError);
    });

    it("keep a key named __proto__ as a key", () => {
      const value = decodeFrozen('{"__proto__":{"admin":true}}') as Record<string, unknown>;
      expect(Object.keys(value)).to.deep.equal(["__proto__"]);
      expect(value.admin).to.equal(undefined);
    });

    it("may be deeper than the stack", () => {
      const levels = 200_000;
      let value = decodeFrozen(`${'{"a":'.repeat(levels)}{}${"}".repeat(levels)}`) as { a?: object };
      let depth = 0;
      for (; value.a !== undefined; value = value.a) {
        if (!Object.isFrozen(value)) throw new Error(`not frozen at level ${depth}`);
        depth++;
      }
      expect(depth).to.equal(levels);
    });

    it("stay bytes if they are", () => {
      expect(decodeFrozen(Uint8Array.of(1))).to.deep.equal(Uint8Array.of(1));
    });
  });
});

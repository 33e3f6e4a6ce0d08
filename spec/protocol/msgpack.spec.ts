import { inspect } from "node:util";
import { expect } from "chai";
import fc from "fast-check";
import { Packr, pack } from "msgpackr";
import { DecodeError, PayloadError } from "../../lib/index.ts";
import { MsgpackSerializer as V3 } from "../../lib/protocol/msgpack.ts";
import { encodePayload } from "../../lib/protocol/payload.ts";

const packr = new Packr({ useRecords: false });

const ascii = (text: string) => [...text].map((char) => char.charCodeAt(0));
const bytes = (...parts: (number | number[])[]) => Uint8Array.from(parts.flat());

/** `["1", "2", "t", "e", …]`, whose payload is these bytes. */
const withPayload = (...payload: (number | number[])[]) =>
  bytes([0x95, 0xa1, 0x31, 0xa1, 0x32, 0xa1, 0x74, 0xa1, 0x65], ...payload);

function payloadOf(...payload: (number | number[])[]): unknown {
  return V3.decode(withPayload(...payload)).payload;
}

function malformed(frame: string | Uint8Array): string {
  try {
    V3.decode(frame);
  } catch (error) {
    expect(error, inspect(frame)).to.be.instanceOf(DecodeError);
    expect((error as DecodeError).code).to.equal("malformed_frame");
    return (error as DecodeError).message;
  }
  throw new Error(`it was decoded: ${inspect(frame)}`);
}

/** The bytes of a frame to the client, which is never text. */
function binary(frame: string | Uint8Array): number[] {
  if (typeof frame === "string") throw new Error(`a text frame: ${frame}`);
  return [...frame];
}

const read = (frame: string | Uint8Array): unknown => packr.unpack(frame as Uint8Array);

describe("MsgpackSerializer", () => {
  it("is version 3.0.0, and never text", () => {
    expect(V3).to.include({ name: "MsgpackSerializer", version: "3.0.0", binaryOnly: true });
    expect(Object.isFrozen(V3)).to.equal(true);
  });

  describe("to the client", () => {
    it("a push has the join_ref and no ref", () => {
      expect(binary(V3.encodePush("1", null, "room:a", "new_msg", '{"body":"hi"}'))).to.deep.equal([
        0x95, // a list of 5
        0xa1, // join_ref: text of 1
        ...ascii("1"),
        0xc0, // ref: nil
        0xa6, // topic
        ...ascii("room:a"),
        0xa7, // event
        ...ascii("new_msg"),
        0x81, // payload: a map of 1
        0xa4,
        ...ascii("body"),
        0xa2,
        ...ascii("hi"),
      ]);
    });

    it("a reply wraps status and response", () => {
      expect(binary(V3.encodeReply("1", "2", "t", "ok", '{"id":7}'))).to.deep.equal([
        0x95,
        0xa1,
        ...ascii("1"),
        0xa1,
        ...ascii("2"),
        0xa1,
        ...ascii("t"),
        0xa9,
        ...ascii("phx_reply"),
        0x82, // {status, response}
        0xa6,
        ...ascii("status"),
        0xa2,
        ...ascii("ok"),
        0xa8,
        ...ascii("response"),
        0x81,
        0xa2,
        ...ascii("id"),
        0x07,
      ]);
    });

    it("a broadcast has no refs", () => {
      expect(binary(V3.encodeBroadcast("t", "e", "{}"))).to.deep.equal([
        0x95,
        0xc0,
        0xc0,
        0xa1,
        ...ascii("t"),
        0xa1,
        ...ascii("e"),
        0x80,
      ]);
    });

    it("bytes are bin, also as a reply's response", () => {
      const payload = Uint8Array.of(1, 2, 255);
      expect(binary(V3.encodeBroadcast("t", "e", payload)).slice(-5)).to.deep.equal([0xc4, 3, 1, 2, 255]);
      expect(binary(V3.encodePush("1", null, "t", "e", payload)).slice(-5)).to.deep.equal([
        0xc4, 3, 1, 2, 255,
      ]);
      expect(read(V3.encodeReply("1", "2", "t", "ok", payload))).to.deep.equal([
        "1",
        "2",
        "t",
        "phx_reply",
        { status: "ok", response: Buffer.from(payload) },
      ]);
      expect(binary(V3.encodeBroadcast("t", "e", new Uint8Array())).slice(-2)).to.deep.equal([0xc4, 0]);
    });

    it("refs of every JSON scalar come back as they were", () => {
      for (const ref of ["", "7", 7, -1.5, true, false, null]) {
        expect((read(V3.encodeReply(ref, ref, "t", "ok", "{}")) as unknown[]).slice(0, 2)).to.deep.equal([
          ref,
          ref,
        ]);
      }
    });

    it("a key is a key, whatever its name: constructor, toJSON and __proto__ too", () => {
      const json =
        '{"constructor":{"name":"x"},"toJSON":1,"then":2,"hasOwnProperty":3,"__proto__":{"admin":true}}';
      const payload = V3.decode(V3.encodeBroadcast("t", "e", json)).payload as object;
      expect(JSON.stringify(payload)).to.equal(json);
    });

    it("half a surrogate pair is U+FFFD, in short and long text", () => {
      for (const length of [1, 20, 100, 5000]) {
        const text = `${"x".repeat(length)}\ud800`;
        const [, , topic, , payload] = read(
          V3.encodeBroadcast(text, "e", JSON.stringify({ text })),
        ) as unknown[];
        expect(topic).to.equal(text.toWellFormed());
        expect(payload).to.deep.equal({ text: text.toWellFormed() });
      }
    });

    it("what is nested deeper than the stack can't be carried", () => {
      const levels = 200_000;
      const json = `${'{"a":'.repeat(levels)}{}${"}".repeat(levels)}`;
      expect(() => V3.encodeBroadcast("t", "e", json))
        .to.throw(PayloadError)
        .with.property("code", "uncarried_payload");
      // And the next message is as it should be.
      expect(read(V3.encodeBroadcast("t", "e", '{"a":1}'))).to.deep.equal([null, null, "t", "e", { a: 1 }]);
    });

    it("each frame has bytes of its own: later ones don't overwrite it", () => {
      const frames = Array.from({ length: 3000 }, (_, i) =>
        V3.encodeBroadcast("t", `e${i}`, JSON.stringify({ i, text: "x".repeat(i % 50) })),
      );
      for (const [i, frame] of frames.entries()) {
        expect((read(frame) as unknown[]).slice(3)).to.deep.equal([`e${i}`, { i, text: "x".repeat(i % 50) }]);
      }
    });
  });

  describe("from the client", () => {
    it("a message is [join_ref, ref, topic, event, payload]", () => {
      const message = { joinRef: "1", ref: "2", topic: "t", event: "e", payload: { a: 1 } };
      expect(V3.decode(withPayload(0x81, 0xa1, 0x61, 0x01))).to.deep.equal(message);
      expect(V3.decode(pack(["1", "2", "t", "e", { a: 1 }, "more", 7]))).to.deep.equal(message);
    });

    it("every form of each value is read", () => {
      const forms: [unknown, ...(number | number[])[]][] = [
        [null, 0xc0],
        [false, 0xc2],
        [true, 0xc3],
        [0, 0x00],
        [127, 0x7f],
        [-1, 0xff],
        [-32, 0xe0],
        [200, 0xcc, 200],
        [0x1234, 0xcd, 0x12, 0x34],
        [0xfedcba98, 0xce, 0xfe, 0xdc, 0xba, 0x98],
        [2 ** 53 - 1, 0xcf, 0x00, 0x1f, Array(6).fill(0xff)],
        [-100, 0xd0, 0x9c],
        [-1000, 0xd1, 0xfc, 0x18],
        [-100_000, 0xd2, 0xff, 0xfe, 0x79, 0x60],
        [-(2 ** 53 - 1), 0xd3, 0xff, 0xe0, Array(5).fill(0), 0x01],
        [1.5, 0xca, 0x3f, 0xc0, 0x00, 0x00],
        [1.1, 0xcb, 0x3f, 0xf1, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a],
        ["", 0xa0],
        ["hi", 0xa2, ascii("hi")],
        ["é😀", 0xa6, 0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80],
        ["hi", 0xd9, 2, ascii("hi")],
        ["hi", 0xda, 0, 2, ascii("hi")],
        ["hi", 0xdb, 0, 0, 0, 2, ascii("hi")],
        ["x".repeat(300), 0xda, 0x01, 0x2c, Array(300).fill(0x78)],
        [[], 0x90],
        [[1, [2]], 0x92, 1, 0x91, 2],
        [[1], 0xdc, 0, 1, 1],
        [[1], 0xdd, 0, 0, 0, 1, 1],
        [{}, 0x80],
        [{ a: 1 }, 0xde, 0, 1, 0xa1, 0x61, 1],
        [{ a: 1 }, 0xdf, 0, 0, 0, 1, 0xa1, 0x61, 1],
        [{ a: 2 }, 0x82, 0xa1, 0x61, 1, 0xa1, 0x61, 2],
      ];
      for (const [value, ...form] of forms) expect(payloadOf(...form), inspect(form)).to.deep.equal(value);
    });

    it("bytes are a Uint8Array of their own, not a view of the frame", () => {
      for (const form of [
        [0xc4, 2],
        [0xc5, 0, 2],
        [0xc6, 0, 0, 0, 2],
      ]) {
        const frame = withPayload(form, 1, 2);
        const { payload } = V3.decode(frame);
        expect(payload).to.be.instanceOf(Uint8Array).and.not.instanceOf(Buffer);
        frame.fill(9);
        expect([...(payload as Uint8Array)]).to.deep.equal([1, 2]);
        expect((payload as Uint8Array).buffer.byteLength).to.equal(2);
      }
    });

    it("undefined is what JSON makes of it: null in a list, and nothing in a map", () => {
      for (const value of [{ a: undefined, b: [undefined, 1] }, [undefined], undefined]) {
        const json = JSON.stringify(["1", "2", "t", "e", value]);
        const { payload } = V3.decode(packr.pack(["1", "2", "t", "e", value]));
        expect(payload).to.deep.equal((JSON.parse(json) as unknown[])[4]);
      }
      expect(malformed(withPayload(0x81, 0xd4, 0, 0, 0xc0))).to.include("keys");
      expect(malformed(withPayload(0xd4, 0))).to.include("extension type");
    });

    it("a frame may be a view into the middle of a larger buffer", () => {
      const large = Buffer.concat([
        Buffer.alloc(7, 0xc1),
        withPayload(0xa2, ascii("hi")),
        Buffer.alloc(9, 0xc1),
      ]);
      expect(V3.decode(large.subarray(7, large.length - 9)).payload).to.equal("hi");
      expect(malformed(large.subarray(7, large.length - 10))).to.include("ends inside");
    });

    it("a key named __proto__ is a key, as in JSON", () => {
      const key = [0xa9, ...ascii("__proto__")];
      const payload = payloadOf(0x82, key, 0x81, 0xa5, ascii("admin"), 0xc3, 0xa1, 0x61, 1) as Record<
        string,
        unknown
      >;
      expect(Object.keys(payload)).to.deep.equal(["__proto__", "a"]);
      expect(payload.admin).to.equal(undefined);
      expect(Object.getPrototypeOf(payload)).to.equal(Object.prototype);
    });

    it("that aren't messages are refused, naming the part", () => {
      const cases: [frame: unknown, names: string][] = [
        [null, "isn't a list"],
        [7, "isn't a list"],
        ["text", "isn't a list"],
        [{ topic: "t" }, "isn't a list"],
        [[], "0 elements"],
        [["1", "1", "t", "e"], "4 elements"],
        [["1", "1", null, "e", {}], "topic"],
        [["1", "1", 7, "e", {}], "topic"],
        [["1", "1", "t", ["e"], {}], "event"],
        [["1", {}, "t", "e", {}], "ref"],
        [[["1"], "1", "t", "e", {}], "join_ref"],
        [["1", "1", Buffer.from("t"), "e", {}], "bytes inside"],
        [["1", "1", "t", "e", {}, Buffer.from("t")], "bytes inside"],
      ];
      for (const [value, names] of cases)
        expect(malformed(packr.pack(value)), inspect(value)).to.include(names);
      expect(malformed(new Uint8Array())).to.include("empty");
      expect(malformed('["1","1","t","e",{}]')).to.include("text frame");
    });
  });

  describe("hostile input", () => {
    it("cut anywhere is refused", () => {
      const payload = { list: [1, 1.5, -7, 70_000, null, true, "text", "x".repeat(300)], map: { é: {} } };
      const frame = packr.pack(["1", "2", "room:a", "new_msg", payload]);
      for (let length = 0; length < frame.length; length++) malformed(frame.subarray(0, length));
      const bin = packr.pack(["1", "2", "room:a", "new_msg", Buffer.alloc(20)]);
      for (let length = 0; length < bin.length; length++) malformed(bin.subarray(0, length));
    });

    it("with bytes behind the message is refused", () => {
      for (const rest of [[0xc0], [0xc1], [0x90], ascii("more")]) {
        expect(malformed(withPayload(0x80, rest))).to.include(`${rest.length} bytes behind`);
      }
    });

    it("with lengths that can't be true is refused before anything is allocated", () => {
      const before = process.memoryUsage().heapUsed;
      for (const huge of [
        [0xdd, 0xff, 0xff, 0xff, 0xff],
        [0xdf, 0xff, 0xff, 0xff, 0xff],
        [0xdf, 0x80, 0, 0, 0],
        [0xdb, 0xff, 0xff, 0xff, 0xff],
        [0xc6, 0xff, 0xff, 0xff, 0xff],
        [0xdc, 0xff, 0xff],
        [0xde, 0xff, 0xff],
        [0xda, 0xff, 0xff],
        [0xd9, 0xff],
        [0xc4, 0xff],
        [0x9f],
        [0x8f],
        [0xbf],
      ]) {
        expect(malformed(withPayload(huge)), inspect(huge)).to.include("ends inside");
        malformed(bytes(huge));
      }
      expect(process.memoryUsage().heapUsed - before).to.be.below(64 * 1024 * 1024);
    });

    it("with extension types makes no instances: it is refused", () => {
      const objects = [new Date(0), new Date(1e12), new Set([1]), /x/, new Error("x"), new Map([[1, 2]])];
      const rich = new Packr({ moreTypes: true, structuredClone: true });
      for (const value of objects) malformed(rich.pack(["1", "2", "t", "e", { value }]));
      // Records, which the package's reader compiles.
      malformed(new Packr({ useRecords: true, structures: [] }).pack(["1", "2", "t", "e", { a: { b: 1 } }]));
      for (let type = 0; type < 256; type++) {
        for (const form of [
          [0xd4, type, 1],
          [0xd5, type, 0, 0],
          [0xd6, type, Array(4).fill(0)],
          [0xd7, type, Array(8).fill(0)],
          [0xd8, type, Array(16).fill(0)],
          [0xc7, 1, type, 0],
          [0xc8, 0, 1, type, 0],
          [0xc9, 0, 0, 0, 1, type, 0],
        ]) {
          expect(malformed(withPayload(...(form as number[])))).to.include("extension type");
        }
      }
      expect(malformed(withPayload(0xc1))).to.include("0xc1");
    });

    it("nested as deep as the frame is long is refused; 500 levels aren't", () => {
      for (const opening of [[0x91], [0x81, 0xa1, 0x61]]) {
        const levels = 200_000;
        expect(malformed(withPayload(Array(levels).fill(opening).flat(), 0xc0))).to.include("500 levels");
        payloadOf(Array(500).fill(opening).flat(), 0xc0);
        malformed(withPayload(Array(501).fill(opening).flat(), 0xc0));
      }
      // Beside each other they don't count.
      payloadOf(0xdc, 0x10, 0x00, Array(4096).fill(0x90));
    });

    it("with keys that aren't strings is refused", () => {
      for (const key of [[0x01], [0xc0], [0xc3], [0x90], [0x80], [0xcb, Array(8).fill(0)].flat()]) {
        expect(malformed(withPayload(0x81, key, 0xc0))).to.include("keys");
      }
      malformed(withPayload(0x81, 0xc4, 1, 0x61, 0xc0));
    });

    it("with numbers that JSON hasn't, or that would lose digits, is refused", () => {
      const double = (value: number) => {
        const buffer = Buffer.alloc(8);
        buffer.writeDoubleBE(value);
        return [0xcb, ...buffer];
      };
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        expect(malformed(withPayload(double(value)))).to.include("finite");
      }
      expect(malformed(withPayload(0xca, 0x7f, 0xc0, 0, 0))).to.include("finite");
      for (const form of [
        [0xcf, ...Array(8).fill(0xff)],
        [0xcf, 0, 0x20, ...Array(6).fill(0)],
        [0xd3, 0x80, ...Array(7).fill(0)],
        [0xd3, 0xff, 0xe0, ...Array(6).fill(0)],
      ]) {
        expect(malformed(withPayload(form))).to.include("2^53");
      }
      malformed(bytes([0x95, 0xc0, 0xcf, ...Array(8).fill(0xff)], [0xa1, 0x74, 0xa1, 0x65, 0x80]));
    });

    it("with text that isn't UTF-8 is refused, in names and payloads, as key and value", () => {
      for (const bad of [[0xff], [0x80], [0xc3], [0xe2, 0x82], [0xc0, 0xaf], [0xed, 0xa0, 0x80]]) {
        const text = [0xa0 + bad.length, ...bad];
        expect(malformed(withPayload(text))).to.include("UTF-8");
        malformed(withPayload(0x81, text, 0xc0));
        malformed(bytes(0x95, 0xc0, text, 0xa1, 0x74, 0xa1, 0x65, 0x80));
        malformed(bytes(0x95, 0xc0, 0xc0, text, 0xa1, 0x65, 0x80));
      }
    });

    it("is never quoted in the error or its cause: a frame may hold a secret", () => {
      for (const rest of [[0xc1], [0x91], [0x80, 0x80], [0xc7, 1, 2, 3], [0x81, 0x01, 0x01], [0xa1, 0xff]]) {
        const secret = [0x82, 0xa5, ...ascii("token"), 0xaa, ...ascii("s3cr3t-abc"), 0xa1, 0x61];
        try {
          V3.decode(withPayload(secret, rest));
          throw new Error("it was decoded");
        } catch (error) {
          expect(error).to.be.instanceOf(DecodeError);
          expect(inspect(error, { depth: 5 })).to.not.include("s3cr3t");
        }
      }
    });
  });

  describe("whatever it is given", function () {
    this.timeout(60_000);

    const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));

    it("what it encodes, it and others decode to the same", () => {
      fc.assert(
        fc.property(
          scalar,
          scalar,
          fc.string(),
          fc.string(),
          fc.jsonValue(),
          (joinRef, ref, topic, event, value) => {
            const payload = JSON.parse(JSON.stringify({ value })) as unknown;
            const frame = V3.encodePush(joinRef, ref, topic, event, encodePayload({ value }));
            expect(V3.decode(frame)).to.deep.equal({ joinRef, ref, topic, event, payload });
          },
        ),
        { numRuns: 1000 },
      );
    });

    it("what others encode, it decodes to the same", () => {
      const encoders = [packr, new Packr({ useRecords: false, variableMapSize: true })];
      fc.assert(
        fc.property(
          scalar,
          fc.string({ unit: "grapheme" }),
          fc.jsonValue(),
          fc.nat(1),
          (ref, name, value, which) => {
            const payload = JSON.parse(JSON.stringify(value)) as unknown;
            const frame = (encoders[which] as Packr).pack([ref, ref, name, name, payload]);
            expect(JSON.stringify(V3.decode(frame).payload)).to.equal(JSON.stringify(payload));
          },
        ),
        { numRuns: 1000 },
      );
    });

    it("any bytes are a message of plain values, or a DecodeError", () => {
      const any = fc.uint8Array({ maxLength: 64 });
      const near = fc
        .tuple(any, fc.nat(20))
        .map(([tail, cut]) => Buffer.concat([withPayload().subarray(0, Math.max(1, 9 - cut)), tail]));
      let decoded = 0;
      fc.assert(
        fc.property(
          fc.oneof(
            any,
            near,
            any.map((tail) => withPayload([...tail])),
          ),
          (frame) => {
            try {
              const { payload } = V3.decode(frame);
              decoded++;
              if (!(payload instanceof Uint8Array)) {
                // Nothing that JSON would lose or change.
                expect(JSON.parse(JSON.stringify(payload))).to.deep.equal(payload);
              }
            } catch (error) {
              if (!(error instanceof DecodeError)) throw error;
              expect(error.message.length).to.be.below(300);
            }
          },
        ),
        { numRuns: 5000 },
      );
      expect(decoded).to.be.above(10);
    });
  });
});

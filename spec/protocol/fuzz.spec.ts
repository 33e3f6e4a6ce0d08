import { expect } from "chai";
import fc from "fast-check";
import {
  DecodeError,
  type Encoded,
  type Serializer,
  V1JSONSerializer as V1,
  V2JSONSerializer as V2,
} from "../../lib/index.ts";

/** Enough to find what is rare; a failure prints its seed and the smallest input. */
const RUNS = { numRuns: 2_000 };

const PARTS = "event,joinRef,payload,ref,topic";

function isRef(value: unknown): boolean {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

function fail(what: string): never {
  throw new Error(what);
}

/** The one thing that must hold for any input: a well-formed message, or a DecodeError. */
function decodes(serializer: Serializer, frame: Encoded): boolean {
  let message: ReturnType<Serializer["decode"]>;
  try {
    message = serializer.decode(frame);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    if (error.code !== "malformed_frame" || error.message.length > 300) fail(`a bad error: ${error.message}`);
    return false;
  }
  // Plain checks: assertions would take most of the time.
  if (Object.keys(message).sort().join() !== PARTS) fail(`the parts ${Object.keys(message)}`);
  if (typeof message.topic !== "string" || typeof message.event !== "string")
    fail("a name that isn't a string");
  if (!isRef(message.ref) || !isRef(message.joinRef)) fail("a ref that isn't a scalar");
  if (message.payload === undefined) fail("no payload");
  return true;
}

const name = fc.string({ unit: "grapheme", maxLength: 60 }).filter((text) => Buffer.byteLength(text) < 256);
const scalar = fc.oneof(
  fc.string(),
  fc.double({ noDefaultInfinity: true, noNaN: true }),
  fc.boolean(),
  fc.constant(null),
);

/** A client's binary frame, as phoenix.js writes it. */
function binaryFrame(names: readonly string[], payload: Uint8Array): Buffer {
  const encoded = names.map((text) => Buffer.from(text));
  return Buffer.concat([Uint8Array.of(0, ...encoded.map((part) => part.length)), ...encoded, payload]);
}

describe("decoding anything", function () {
  // Thousands of runs, on machines that have other things to do.
  this.timeout(60_000);

  for (const serializer of [V1, V2]) {
    describe(serializer.name, () => {
      it("any text", () => {
        fc.assert(
          fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
            decodes(serializer, text);
          }),
          RUNS,
        );
      });

      it("any bytes", () => {
        fc.assert(
          fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
            decodes(serializer, bytes);
          }),
          RUNS,
        );
      });

      it("any JSON", () => {
        fc.assert(
          fc.property(fc.json(), (json) => {
            decodes(serializer, json);
          }),
          RUNS,
        );
      });

      it("any list of JSON values, and any object of the right keys", () => {
        const value = fc.oneof(fc.jsonValue(), scalar);
        fc.assert(
          fc.property(fc.array(value, { maxLength: 7 }), (parts) => {
            decodes(serializer, JSON.stringify(parts));
            const [joinRef, ref, topic, event, payload] = parts;
            decodes(serializer, JSON.stringify({ join_ref: joinRef, ref, topic, event, payload }));
          }),
          RUNS,
        );
      });

      it("a message with one character changed", () => {
        const frame =
          serializer === V2
            ? '["1","2","room:a","new_msg",{"body":"hi"}]'
            : '{"topic":"room:a","event":"new_msg","payload":{"body":"hi"},"ref":"2"}';
        fc.assert(
          fc.property(fc.nat(frame.length - 1), fc.string({ maxLength: 3 }), (at, inserted) => {
            decodes(serializer, frame.slice(0, at) + inserted + frame.slice(at + 1));
          }),
          RUNS,
        );
      });
    });
  }

  it("every V2 text message decodes to itself", () => {
    fc.assert(
      fc.property(
        scalar,
        scalar,
        fc.string(),
        fc.string(),
        fc.jsonValue(),
        (joinRef, ref, topic, event, payload) => {
          const text = JSON.stringify([joinRef, ref, topic, event, payload]);
          expect(V2.decode(text)).to.deep.equal(
            Object.assign(JSON.parse(`{"payload":${JSON.stringify(payload)}}`), {
              joinRef: JSON.parse(JSON.stringify(joinRef)),
              ref: JSON.parse(JSON.stringify(ref)),
              topic,
              event,
            }),
          );
        },
      ),
      RUNS,
    );
  });

  it("every V2 binary message decodes to itself, and each cut inside its names is refused", () => {
    fc.assert(
      fc.property(fc.tuple(name, name, name, name), fc.uint8Array({ maxLength: 20 }), (names, payload) => {
        const frame = binaryFrame(names, payload);
        const [joinRef, ref, topic, event] = names;
        expect(V2.decode(frame)).to.deep.equal({ joinRef, ref, topic, event, payload });
        const header = frame.length - payload.length;
        for (let length = 0; length < header; length++) {
          if (decodes(V2, frame.subarray(0, length))) fail(`decoded, though cut at ${length}`);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("a binary message with any lengths", () => {
    const lengths = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
    fc.assert(
      fc.property(lengths, fc.nat(600), (sizes, rest) => {
        const frame = Buffer.concat([Uint8Array.of(0, ...sizes), Buffer.alloc(rest, 0x61)]);
        const sum = sizes.reduce((a, b) => a + b, 0);
        expect(decodes(V2, frame)).to.equal(sum <= rest);
      }),
      RUNS,
    );
  });

  it("a binary message with invalid UTF-8 in one name", () => {
    const invalid = fc.constantFrom([0xff], [0x80], [0xc3], [0xe2, 0x82], [0xc0, 0xaf], [0xed, 0xa0, 0x80]);
    fc.assert(
      fc.property(fc.tuple(name, name, name, name), fc.nat(3), invalid, (names, at, bad) => {
        const parts = names.map((text) => Buffer.from(text.slice(0, 40)));
        parts[at] = Buffer.from(bad);
        const frame = Buffer.concat([Uint8Array.of(0, ...parts.map((part) => part.length)), ...parts]);
        expect(decodes(V2, frame)).to.equal(false);
      }),
      RUNS,
    );
  });
});

import { expect } from "chai";
import { DecodeError, PayloadError, V2JSONSerializer as V2 } from "../../lib/index.ts";

const ascii = (text: string) => [...text].map((char) => char.charCodeAt(0));
const bytes = (...parts: (number | number[])[]) => Uint8Array.from(parts.flat());

/** The bytes of an encoded frame; fails for a text frame. */
function binary(frame: string | Uint8Array): number[] {
  if (typeof frame === "string") throw new Error(`a text frame: ${frame}`);
  return [...frame];
}

function malformed(frame: string | Uint8Array): DecodeError {
  try {
    V2.decode(frame);
  } catch (error) {
    expect(error).to.be.instanceOf(DecodeError);
    expect((error as DecodeError).code).to.equal("malformed_frame");
    return error as DecodeError;
  }
  throw new Error("it was decoded");
}

describe("V2.JSONSerializer", () => {
  it("is version 2.0.0", () => {
    expect(V2).to.include({ name: "V2.JSONSerializer", version: "2.0.0" });
    expect(Object.isFrozen(V2)).to.equal(true);
  });

  describe("text frames to the client", () => {
    it("a push has the join_ref and no ref", () => {
      expect(V2.encodePush("1", null, "room:a", "new_msg", '{"body":"hi"}')).to.equal(
        '["1",null,"room:a","new_msg",{"body":"hi"}]',
      );
    });

    it("a reply wraps status and response", () => {
      expect(V2.encodeReply("1", "2", "room:a", "ok", '{"id":7}')).to.equal(
        '["1","2","room:a","phx_reply",{"status":"ok","response":{"id":7}}]',
      );
    });

    it("a broadcast has no refs", () => {
      expect(V2.encodeBroadcast("room:a", "new_msg", "{}")).to.equal('[null,null,"room:a","new_msg",{}]');
    });

    it("refs of every JSON scalar come back as they were", () => {
      for (const ref of ["", "7", 7, -1.5, true, false, null]) {
        const frame = V2.encodeReply(ref, ref, "t", "ok", "{}") as string;
        expect(JSON.parse(frame).slice(0, 2)).to.deep.equal([ref, ref]);
      }
    });

    it("escapes names", () => {
      const name = 'a"b\\c\n\u0000\u2028é😀';
      const frame = V2.encodePush(name, null, name, name, "{}") as string;
      expect(JSON.parse(frame)).to.deep.equal([name, null, name, name, {}]);
    });

    it("writes lone surrogates as escapes, which UTF-8 can carry", () => {
      expect(V2.encodePush(null, null, "\ud800", "\udc00", "{}")).to.equal(
        '[null,null,"\\ud800","\\udc00",{}]',
      );
    });
  });

  describe("text frames from the client", () => {
    it("are [join_ref, ref, topic, event, payload]", () => {
      expect(V2.decode('["1","2","room:a","new_msg",{"body":"hi"}]')).to.deep.equal({
        joinRef: "1",
        ref: "2",
        topic: "room:a",
        event: "new_msg",
        payload: { body: "hi" },
      });
    });

    it("take any JSON value as payload", () => {
      for (const payload of [null, 0, "", false, [], [1], {}]) {
        expect(V2.decode(JSON.stringify([null, null, "", "", payload])).payload).to.deep.equal(payload);
      }
    });

    it("ignore elements after the fifth", () => {
      expect(V2.decode('[null,"1","t","e",{},{"more":1},7]')).to.deep.equal({
        joinRef: null,
        ref: "1",
        topic: "t",
        event: "e",
        payload: {},
      });
    });

    it("that aren't messages are refused, naming the part", () => {
      const cases: [frame: string, names: string][] = [
        ["", "JSON"],
        ["{", "JSON"],
        ["undefined", "JSON"],
        ["[1,]", "JSON"],
        ["null", "array"],
        ["7", "array"],
        ['"text"', "array"],
        ['{"topic":"t","event":"e","payload":{},"ref":"1"}', "array"],
        ["[]", "0 elements"],
        ['["1","1","t","e"]', "4 elements"],
        ['["1","1",null,"e",{}]', "topic"],
        ['["1","1",7,"e",{}]', "topic"],
        ['["1","1",{},"e",{}]', "topic"],
        ['["1","1","t",null,{}]', "event"],
        ['["1","1","t",["e"],{}]', "event"],
        ['["1",{},"t","e",{}]', "ref"],
        ['["1",[],"t","e",{}]', "ref"],
        ['[{},"1","t","e",{}]', "join_ref"],
        ['[["1"],"1","t","e",{}]', "join_ref"],
      ];
      for (const [frame, names] of cases) expect(malformed(frame).message, frame).to.include(names);
    });

    it("are never quoted in the error or its cause, which loggers print: a frame may hold a secret", () => {
      for (const frame of [
        "hunter2",
        '["1","1","t","e",{"password":hunter2}]',
        '["1","1",{"password":"hunter2"},"e",{}]',
      ]) {
        for (let error: unknown = malformed(frame); error instanceof Error; error = error.cause) {
          expect(error.message).not.to.include("hunter2");
        }
      }
    });
  });

  describe("binary frames to the client", () => {
    it("push: kind 0, lengths of join_ref, topic, event", () => {
      expect(binary(V2.encodePush("12", null, "room:a", "pic", bytes(1, 2, 3)))).to.deep.equal([
        ...[0], // push
        ...[2, 6, 3], // lengths
        ...ascii("12"), // join_ref
        ...ascii("room:a"), // topic
        ...ascii("pic"), // event
        ...[1, 2, 3], // the payload, to the end
      ]);
    });

    it("reply: kind 1, lengths of join_ref, ref, topic, status", () => {
      expect(binary(V2.encodeReply("12", "123", "room:a", "ok", bytes(9)))).to.deep.equal([
        ...[1], // reply
        ...[2, 3, 6, 2], // lengths
        ...ascii("12"),
        ...ascii("123"),
        ...ascii("room:a"),
        ...ascii("ok"),
        ...[9],
      ]);
    });

    it("broadcast: kind 2, lengths of topic and event", () => {
      expect(binary(V2.encodeBroadcast("room:a", "pic", bytes(255, 0)))).to.deep.equal([
        ...[2], // broadcast
        ...[6, 3], // lengths
        ...ascii("room:a"),
        ...ascii("pic"),
        ...[255, 0],
      ]);
    });

    it("null refs have no bytes, and payloads may have none", () => {
      expect(binary(V2.encodePush(null, null, "t", "e", bytes()))).to.deep.equal([0, 0, 1, 1, 0x74, 0x65]);
      expect(binary(V2.encodeReply(null, null, "t", "ok", bytes()))).to.deep.equal([
        1, 0, 0, 1, 2, 0x74, 0x6f, 0x6b,
      ]);
      expect(binary(V2.encodeBroadcast("", "", bytes()))).to.deep.equal([2, 0, 0]);
    });

    it("lengths count bytes of UTF-8, not characters", () => {
      // é is 2 bytes, € 3, 😀 4 (and two UTF-16 units).
      expect(binary(V2.encodeBroadcast("é€", "😀", bytes(7)))).to.deep.equal([
        ...[2],
        ...[5, 4],
        ...[0xc3, 0xa9, 0xe2, 0x82, 0xac],
        ...[0xf0, 0x9f, 0x98, 0x80],
        ...[7],
      ]);
    });

    it("names of 255 bytes fit, also in UTF-8", () => {
      const long = "x".repeat(255);
      const wide = "é".repeat(127);
      const frame = binary(V2.encodeReply(long, long, long, long, bytes(1)));
      expect(frame.slice(0, 5)).to.deep.equal([1, 255, 255, 255, 255]);
      expect(frame).to.have.length(5 + 4 * 255 + 1);
      expect(binary(V2.encodeBroadcast(wide, "e", bytes()))[1]).to.equal(254);
    });

    it("names of 256 bytes don't, in any place", () => {
      const long = "x".repeat(256);
      const wide = "é".repeat(128);
      for (const encode of [
        () => V2.encodePush(long, null, "t", "e", bytes()),
        () => V2.encodePush("1", null, long, "e", bytes()),
        () => V2.encodePush("1", null, "t", long, bytes()),
        () => V2.encodeReply(long, "1", "t", "ok", bytes()),
        () => V2.encodeReply("1", long, "t", "ok", bytes()),
        () => V2.encodeReply("1", "1", long, "ok", bytes()),
        () => V2.encodeReply("1", "1", "t", long, bytes()),
        () => V2.encodeBroadcast(long, "e", bytes()),
        () => V2.encodeBroadcast("t", long, bytes()),
        () => V2.encodeBroadcast(wide, "e", bytes()),
      ]) {
        expect(encode)
          .to.throw(PayloadError, "255")
          .that.satisfies((error: PayloadError) => error.code === "uncarried_payload");
      }
      // As text they may be as long as they like.
      expect(V2.encodeBroadcast(long, long, "{}")).to.equal(`[null,null,"${long}","${long}",{}]`);
    });

    it("later changes of the payload don't show", () => {
      const payload = bytes(1, 2);
      const frame = V2.encodeBroadcast("t", "e", payload) as Uint8Array;
      payload[0] = 9;
      expect([...frame.slice(-2)]).to.deep.equal([1, 2]);
    });
  });

  describe("binary frames from the client", () => {
    const frame = bytes(
      [0], // push
      [2, 3, 6, 3], // lengths of join_ref, ref, topic, event
      ascii("12"),
      ascii("123"),
      ascii("room:a"),
      ascii("pic"),
      [1, 2, 3],
    );

    it("are pushes", () => {
      expect(V2.decode(frame)).to.deep.equal({
        joinRef: "12",
        ref: "123",
        topic: "room:a",
        event: "pic",
        payload: bytes(1, 2, 3),
      });
    });

    it("carry bytes of their own, not a view of what the socket read", () => {
      const read = Buffer.from(frame);
      const { payload } = V2.decode(read);
      read.fill(0);
      expect(payload).to.deep.equal(bytes(1, 2, 3));
      expect((payload as Uint8Array).buffer.byteLength).to.equal(3);
    });

    it("may have empty names and an empty payload", () => {
      expect(V2.decode(bytes(0, 0, 0, 0, 0))).to.deep.equal({
        joinRef: "",
        ref: "",
        topic: "",
        event: "",
        payload: bytes(),
      });
    });

    it("take names of 255 bytes and names in UTF-8", () => {
      const name = new Array<number>(255).fill(0x78);
      const message = V2.decode(bytes([0, 255, 255, 255, 255], name, name, name, name, [5]));
      expect(message.topic).to.equal("x".repeat(255));
      expect(message.payload).to.deep.equal(bytes(5));
      const utf8 = [...Buffer.from("é€😀")];
      expect(V2.decode(bytes([0, 0, 0, utf8.length, 0], utf8)).topic).to.equal("é€😀");
    });

    it("keep a byte order mark in a name", () => {
      expect(V2.decode(bytes([0, 0, 0, 3, 0], [0xef, 0xbb, 0xbf])).topic).to.equal("\ufeff");
    });

    it("cut at any byte before the payload are refused", () => {
      const header = frame.length - 3;
      for (let length = 0; length < header; length++) malformed(frame.subarray(0, length));
      for (let length = header; length <= frame.length; length++) {
        expect(V2.decode(frame.subarray(0, length)).payload).to.have.length(length - header);
      }
    });

    it("whose lengths overrun are refused", () => {
      for (let at = 1; at <= 4; at++) {
        const overrun = Uint8Array.from(frame);
        overrun[at] = 255;
        malformed(overrun);
      }
    });

    it("whose names aren't UTF-8 are refused, naming the part", () => {
      const invalid = [
        [0xff], // never a byte of UTF-8
        [0xc3], // a sequence that ends early
        [0xc0, 0x80], // overlong
        [0xed, 0xa0, 0x80], // a surrogate
        [0xf4, 0x90, 0x80, 0x80], // above U+10FFFF
      ];
      for (const [at, part] of ["join_ref", "ref", "topic", "event"].entries()) {
        for (const name of invalid) {
          const lengths = [0, 0, 0, 0];
          lengths[at] = name.length;
          expect(malformed(bytes([0], lengths, name)).message).to.include(part);
        }
      }
    });

    it("of any other kind are refused", () => {
      for (const kind of [1, 2, 3, 0x5b, 255]) {
        const other = Uint8Array.from(frame);
        other[0] = kind;
        malformed(other);
      }
    });
  });
});

import { expect } from "chai";
import { DecodeError, PayloadError, V1JSONSerializer as V1 } from "../../lib/index.ts";

function malformed(frame: string | Uint8Array): DecodeError {
  try {
    V1.decode(frame);
  } catch (error) {
    expect(error).to.be.instanceOf(DecodeError);
    return error as DecodeError;
  }
  throw new Error("it was decoded");
}

describe("V1.JSONSerializer", () => {
  it("is version 1.0.0", () => {
    expect(V1).to.include({ name: "V1.JSONSerializer", version: "1.0.0" });
    expect(Object.isFrozen(V1)).to.equal(true);
  });

  it("pushes without a join_ref", () => {
    expect(V1.encodePush("1", null, "room:a", "new_msg", '{"body":"hi"}')).to.equal(
      '{"topic":"room:a","event":"new_msg","payload":{"body":"hi"},"ref":null}',
    );
  });

  it("replies without a join_ref", () => {
    expect(V1.encodeReply("1", "2", "room:a", "ok", '{"id":7}')).to.equal(
      '{"topic":"room:a","event":"phx_reply","payload":{"status":"ok","response":{"id":7}},"ref":"2"}',
    );
  });

  it("broadcasts without refs", () => {
    expect(V1.encodeBroadcast("room:a", "new_msg", "{}")).to.equal(
      '{"topic":"room:a","event":"new_msg","payload":{},"ref":null}',
    );
  });

  it("escapes names and refs", () => {
    const name = 'a"b\\c\n\u0000\u2028é😀';
    const frame = JSON.parse(V1.encodePush(null, name, name, name, "{}") as string);
    expect(frame).to.deep.equal({ topic: name, event: name, payload: {}, ref: name });
  });

  it("has no binary messages", () => {
    const payload = Uint8Array.of(1);
    for (const encode of [
      () => V1.encodePush("1", null, "t", "e", payload),
      () => V1.encodeReply("1", "1", "t", "ok", payload),
      () => V1.encodeBroadcast("t", "e", payload),
    ]) {
      expect(encode)
        .to.throw(PayloadError, "vsn=2.0.0")
        .that.satisfies((error: PayloadError) => error.code === "uncarried_payload");
    }
  });

  it("reads objects, with a join_ref if there is one", () => {
    expect(V1.decode('{"topic":"t","event":"e","payload":{"a":1},"ref":"2"}')).to.deep.equal({
      joinRef: null,
      ref: "2",
      topic: "t",
      event: "e",
      payload: { a: 1 },
    });
    expect(V1.decode('{"join_ref":"1","topic":"t","event":"e","payload":null,"ref":null}')).to.deep.equal({
      joinRef: "1",
      ref: null,
      topic: "t",
      event: "e",
      payload: null,
    });
  });

  it("ignores other keys", () => {
    const { topic, event } = V1.decode(
      '{"more":[],"topic":"t","event":"e","payload":1,"ref":1,"__proto__":{}}',
    );
    expect([topic, event]).to.deep.equal(["t", "e"]);
  });

  it("reads JSON from binary frames too, as Phoenix does", () => {
    const frame = '{"topic":"é","event":"e","payload":{},"ref":"2"}';
    expect(V1.decode(Buffer.from(frame)).topic).to.equal("é");
    expect(malformed(Uint8Array.of(0xff)).message).to.include("UTF-8");
    expect(malformed(Uint8Array.of()).message).to.include("JSON");
  });

  it("refuses what isn't a message, naming the part", () => {
    const whole = { topic: "t", event: "e", payload: {}, ref: "1" };
    const cases: [frame: string, names: string][] = [
      ["", "JSON"],
      ["{", "JSON"],
      ["null", "object"],
      ["7", "object"],
      ['"text"', "object"],
      ["[]", "object"],
      ['["1","1","t","e",{}]', "object"],
      ["{}", "topic"],
      [JSON.stringify({ ...whole, topic: undefined }), "topic"],
      [JSON.stringify({ ...whole, event: undefined }), "event"],
      [JSON.stringify({ ...whole, payload: undefined }), "payload"],
      [JSON.stringify({ ...whole, ref: undefined }), "ref"],
      [JSON.stringify({ ...whole, topic: 1 }), "topic"],
      [JSON.stringify({ ...whole, event: null }), "event"],
      [JSON.stringify({ ...whole, ref: {} }), "ref"],
      [JSON.stringify({ ...whole, join_ref: [] }), "join_ref"],
    ];
    for (const [frame, names] of cases) expect(malformed(frame).message, frame).to.include(names);
  });

  it("looks at own keys only: a prototype gives no topic", () => {
    malformed('{"__proto__":{"topic":"t","event":"e","payload":{},"ref":"1"}}');
  });
});

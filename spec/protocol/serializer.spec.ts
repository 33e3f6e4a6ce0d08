import { expect } from "chai";
import {
  type Encoded,
  type Message,
  type Serializer,
  Socket,
  V1JSONSerializer,
  V2JSONSerializer,
} from "../../lib/index.ts";
import { negotiate } from "../../lib/protocol/serializer.ts";
import { connect, refused } from "../support/client.ts";
import { serve } from "../support/server.ts";

const BOTH = [V1JSONSerializer, V2JSONSerializer];

/** A serializer of another version; it is only negotiated, never used. */
function speaking(version: string): Serializer {
  return { ...V2JSONSerializer, name: version, version };
}

describe("negotiation of the serializer", () => {
  const picked = (vsn: unknown) => negotiate(BOTH, vsn)?.version;

  it("takes patches of its own minor version (~> 1.0.0, ~> 2.0.0)", () => {
    for (const vsn of ["1.0.0", "1.0.1", "1.0.99", "1.0.0+build", "1.0.0+build.7-x.01"]) {
      expect(picked(vsn), vsn).to.equal("1.0.0");
    }
    for (const vsn of ["2.0.0", "2.0.7", "2.0.0+1", "2.0.99999999999999999999"]) {
      expect(picked(vsn), vsn).to.equal("2.0.0");
    }
  });

  it("takes no other version", () => {
    for (const vsn of [
      "0.9.9",
      "1.1.0",
      "1.10.0",
      "2.1.0",
      "2.1.0-rc.1",
      "3.0.0",
      "10.0.0",
      "20.0.0",
      "123.1.1",
    ]) {
      expect(picked(vsn), vsn).to.equal(undefined);
    }
  });

  it("a pre-release comes before its release, and after the patch before", () => {
    for (const vsn of ["1.0.0-rc.1", "2.0.0-0", "2.0.0-alpha", "2.0.0-rc.1+build", "2.0.0--"]) {
      expect(picked(vsn), vsn).to.equal(undefined);
    }
    for (const vsn of ["2.0.1-rc.1", "2.0.1-6-g3318bd5", "2.0.1-6.7.eight+ignore", "2.0.10-0"]) {
      expect(picked(vsn), vsn).to.equal("2.0.0");
    }
  });

  it("takes nothing that isn't a version", () => {
    for (const vsn of [
      "",
      "2",
      "2.0",
      "2.0.0.0",
      "v2.0.0",
      "~> 2.0.0",
      " 2.0.0",
      "2.0.0 ",
      "2.0.0\n",
      "02.0.0",
      "2.00.0",
      "2.0.00",
      "2.0.0-",
      "2.0.1-",
      "2.0.1-01",
      "2.0.1-rc.01",
      "2.0.1-a..b",
      "2.0.1-é",
      "2.0.0+",
      "2.0.0+a..b",
      "2.0.0+a+b",
      "2.0.-1",
      "+2.0.0",
      "2.0.x",
      "２.0.0",
      "banana",
      "1e0.0.0",
    ]) {
      expect(picked(vsn), JSON.stringify(vsn)).to.equal(undefined);
    }
    for (const vsn of [undefined, null, 2, true, ["2.0.0"], { major: 2 }, Object("2.0.0")]) {
      expect(picked(vsn)).to.equal(undefined);
    }
  });

  it("copes with long garbage", () => {
    expect(picked(`2.0.1-${"1".repeat(100_000)}!`)).to.equal(undefined);
    expect(picked(`2.0.1-${"a.".repeat(50_000)}`)).to.equal(undefined);
  });

  it("picks the first in the list that matches", () => {
    const first = speaking("2.0.0");
    expect(negotiate([first, V2JSONSerializer], "2.0.0")).to.equal(first);
  });

  it("asks a serializer of a later patch for that patch", () => {
    const list = [speaking("3.1.2")];
    expect(negotiate(list, "3.1.1")).to.equal(undefined);
    expect(negotiate(list, "3.1.2-rc.1")).to.equal(undefined);
    expect(negotiate(list, "3.1.2")).to.equal(list[0]);
    expect(negotiate(list, "3.1.10")).to.equal(list[0]);
  });
});

describe("vsn of a connection", () => {
  class Anyone extends Socket {}

  it("absent means 1.0.0", async () => {
    const { url } = await serve(Anyone);
    const client = await connect(url, "");
    client.send({ topic: "phoenix", event: "heartbeat", payload: {}, ref: "1" });
    expect(await client.next()).to.deep.equal({
      topic: "phoenix",
      event: "phx_reply",
      payload: { status: "ok", response: {} },
      ref: "1",
    });
  });

  it("unknown, empty or no version is refused with 403 and logged, and connect isn't asked", async () => {
    let asked = 0;
    class Counting extends Socket {
      override connect() {
        asked++;
        return super.connect({}, undefined as never);
      }
    }
    const { url, lines } = await serve(Counting);
    for (const query of ["vsn=3.0.0", "vsn=", "vsn", "vsn[]=2.0.0", "vsn[a]=2.0.0", "vsn=2.0.0&vsn=banana"]) {
      expect(await refused(url, query), query).to.include({ status: 403, body: "" });
    }
    expect(asked).to.equal(0);
    expect(lines).to.have.length(6);
    expect(lines[0]?.details).to.include({ cause: "vsn", spoken: "1.0.0, 2.0.0" });
  });

  it("may be served by the app's own serializer alone", async () => {
    const csv: Serializer = {
      name: "CSV",
      version: "7.0.0",
      decode(frame: Encoded): Message {
        const [joinRef = null, ref = null, topic = "", event = ""] = String(frame).split(",");
        return { joinRef, ref, topic, event, payload: {} };
      },
      encodePush: (...parts) => JSON.stringify(parts),
      encodeReply: (...parts) => JSON.stringify(parts),
      encodeBroadcast: (...parts) => JSON.stringify(parts),
    };
    const { url } = await serve(Anyone, { serializers: [csv] });
    expect(await refused(url, "vsn=2.0.0")).to.include({ status: 403 });
    expect(await refused(url, "")).to.include({ status: 403 });
    const client = await connect(url, "vsn=7.0.1");
    client.send("1,2,phoenix,heartbeat");
    expect(await client.next()).to.deep.equal([null, "2", "phoenix", "ok", "{}"]);
  });
});

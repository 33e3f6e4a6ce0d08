import { expect } from "chai";
import { type ConnectInfo, type ConnectParams, error, ok, Socket } from "../../lib/index.ts";
import { subprotocolAuth } from "../../lib/transport/auth-token.ts";
import { connect } from "../support/client.ts";
import { serve } from "../support/server.ts";
import { rawUpgrade } from "./tcp-client.ts";

const PREFIX = "base64url.bearer.phx.";
const base64 = (text: string) => Buffer.from(text).toString("base64");
const base64url = (text: string) => Buffer.from(text).toString("base64url");

/** The answer to an upgrade request with any Sec-WebSocket-Protocol, also one that a client library wouldn't send. */
async function upgradeAnswer(port: number, protocol: string, more = "") {
  const path = `/socket/websocket?vsn=2.0.0${more}`;
  const { status, headers } = await rawUpgrade(port, path, { "Sec-WebSocket-Protocol": protocol });
  return { status, protocol: headers["sec-websocket-protocol"] };
}

/** What connect gets as authToken, for each connection. */
function recording() {
  const tokens: (string | null)[] = [];
  class Recording extends Socket {
    override connect(params: ConnectParams, info: ConnectInfo) {
      tokens.push(info.authToken);
      return params.refuse === undefined ? ok() : error("refused");
    }
  }
  return { Recording, tokens };
}

describe("authToken", () => {
  describe("read from Sec-WebSocket-Protocol", () => {
    const token = (header: string) => subprotocolAuth(header)?.authToken;

    it("in both alphabets of base64, with and without padding", () => {
      // Its base64 has + and /, and padding.
      const secret = "???>>>~a";
      expect(base64(secret)).to.match(/[+/].*=$/);
      for (const text of [base64(secret), base64url(secret), base64(secret).replace(/=+$/, "")]) {
        expect(token(`phoenix, ${PREFIX}${text}`), text).to.equal(secret);
      }
    });

    it("of UTF-8, and of what btoa writes for other bytes", () => {
      expect(token(`phoenix,${PREFIX}${base64("é😀")}`)).to.equal("é😀");
      expect(token(`phoenix,${PREFIX}${btoa("é")}`)).to.equal("é");
    });

    it("empty", () => {
      expect(token(`phoenix, ${PREFIX}`)).to.equal("");
    });

    it("that isn't base64 refuses", () => {
      for (const text of ["!!!", "a", "abcde", "ab cd", "YQ===", "=YQ", "Y=Q", "é"]) {
        expect(subprotocolAuth(`phoenix, ${PREFIX}${text}`), text).to.equal(null);
      }
    });

    it("answers phoenix if it was asked for, and refuses if only others were", () => {
      expect(subprotocolAuth(undefined)).to.deep.equal({ authToken: null, protocol: null });
      expect(subprotocolAuth("")).to.deep.equal({ authToken: null, protocol: null });
      expect(subprotocolAuth(`${PREFIX}YQ`)).to.deep.equal({ authToken: "a", protocol: null });
      expect(subprotocolAuth("chat, phoenix , mqtt")).to.deep.equal({ authToken: null, protocol: "phoenix" });
      expect(subprotocolAuth("chat")).to.equal(null);
      expect(subprotocolAuth("PHOENIX")).to.equal(null);
    });

    it("takes no token if there are two: which one counts would be a guess", () => {
      expect(subprotocolAuth(`phoenix, ${PREFIX}YQ, ${PREFIX}Yg`)?.authToken ?? null).to.equal(null);
    });
  });

  it("reaches connect, and the answer names phoenix", async () => {
    const { Recording, tokens } = recording();
    const { port } = await serve(Recording, { authToken: true });
    const header = `phoenix, ${PREFIX}${base64url("s3cret")}`;
    expect(await upgradeAnswer(port, header)).to.deep.equal({ status: 101, protocol: "phoenix" });
    expect(tokens).to.deep.equal(["s3cret"]);
  });

  it("is null without the option, and no protocol is answered", async () => {
    const { Recording, tokens } = recording();
    const { port } = await serve(Recording);
    const unanswered = { status: 101, protocol: undefined };
    expect(await upgradeAnswer(port, `phoenix, ${PREFIX}${base64url("s3cret")}`)).to.deep.equal(unanswered);
    expect(await upgradeAnswer(port, `phoenix, ${PREFIX}!!!`)).to.deep.equal(unanswered);
    expect(tokens).to.deep.equal([null, null]);
  });

  it("is null where the client has none", async () => {
    const { Recording, tokens } = recording();
    const { url } = await serve(Recording, { authToken: true });
    await connect(url);
    expect(tokens).to.deep.equal([null]);
  });

  it("that can't be read, or a foreign protocol, is refused before connect, and logged without the token", async () => {
    const { Recording, tokens } = recording();
    const { port, lines } = await serve(Recording, { authToken: true });
    expect(await upgradeAnswer(port, `phoenix, ${PREFIX}!hunter2!`)).to.include({ status: 403 });
    expect(await upgradeAnswer(port, "chat")).to.include({ status: 403 });
    expect(tokens).to.deep.equal([]);
    expect(lines).to.have.length(2);
    expect(JSON.stringify(lines)).not.to.include("hunter2");
  });

  it("a refusal behind it names phoenix too", async () => {
    const { Recording } = recording();
    const { port } = await serve(Recording, { authToken: true });
    const header = `phoenix, ${PREFIX}${base64url("s3cret")}`;
    expect(await upgradeAnswer(port, header, "&refuse=1")).to.deep.equal({
      status: 403,
      protocol: "phoenix",
    });
  });

  it("never shows in the logs", async () => {
    const { Recording } = recording();
    const { port, lines } = await serve(Recording, { authToken: true });
    await upgradeAnswer(port, `phoenix, ${PREFIX}${base64url("hunter2")}`);
    expect(JSON.stringify(lines)).not.to.include("hunter2").and.not.include(base64url("hunter2"));
  });

  it("leaves the request's header as the client sent it", async () => {
    let seen: string | undefined;
    class Looking extends Socket {
      override connect(_params: ConnectParams, info: ConnectInfo) {
        seen = info.headers["sec-websocket-protocol"];
        expect(info.request.headers["sec-websocket-protocol"]).to.equal(seen);
        return ok();
      }
    }
    const { port } = await serve(Looking);
    await upgradeAnswer(port, "phoenix, other");
    expect(seen).to.equal("phoenix, other");
  });
});

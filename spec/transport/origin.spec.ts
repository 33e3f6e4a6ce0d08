import type { IncomingMessage } from "node:http";
import { expect } from "chai";
import { ConfigError, Endpoint, Socket } from "../../lib/index.ts";
import { originCheck } from "../../lib/transport/origin.ts";
import { connect, refused } from "../support/client.ts";
import { serve } from "../support/server.ts";

class Anyone extends Socket {}

const allows = (option: unknown, origin: string | undefined, host: string | undefined = "example.com:4000") =>
  originCheck(option)({ headers: { origin, host } } as IncomingMessage) === null;

describe("checkOrigin", () => {
  it("a request without an Origin comes from no browser, and may connect", () => {
    for (const option of [true, false, ["//example.com"], [], () => false]) {
      expect(allows(option, undefined)).to.equal(true);
    }
  });

  it("false lets all in", () => {
    for (const origin of ["https://evil.test", "null", "", "garbage"]) {
      expect(allows(false, origin)).to.equal(true);
    }
  });

  describe("true: the origin's host is the Host header's", () => {
    it("of any scheme and port", () => {
      for (const origin of [
        "http://example.com",
        "https://example.com",
        "https://example.com:8443",
        "HTTPS://EXAMPLE.com",
      ]) {
        expect(allows(true, origin), origin).to.equal(true);
      }
    });

    it("and of no other", () => {
      for (const origin of [
        "https://evil.test",
        "https://www.example.com",
        "https://example.com.evil.test",
        "https://notexample.com",
        "https://example.com@evil.test",
        "https://example",
        "null",
        "",
        "example.com",
        "//example.com",
        "file://",
        "data:text/html,x",
        "https://example.com, https://evil.test",
        "https://",
      ]) {
        expect(allows(true, origin), origin).to.equal(false);
      }
    });

    it("also for addresses", () => {
      expect(allows(true, "http://127.0.0.1:3000", "127.0.0.1:4000")).to.equal(true);
      expect(allows(true, "http://127.0.0.2:3000", "127.0.0.1:4000")).to.equal(false);
      expect(allows(true, "http://[::1]:3000", "[::1]:4000")).to.equal(true);
      expect(allows(true, "http://[::2]:3000", "[::1]:4000")).to.equal(false);
    });

    it("lets nobody in without a Host header, or with one that is no host", () => {
      for (const host of ["", " ", "a b", "example.com/path?", "[::1", "[", "%"]) {
        expect(allows(true, "https://evil.test", host), host).to.equal(false);
      }
      // No header at all: HTTP/1.0.
      const request = { headers: { origin: "http://undefined" } } as IncomingMessage;
      expect(originCheck(true)(request)).to.have.property("cause", "origin");
    });
  });

  describe("a list", () => {
    it("//host: any scheme, any port", () => {
      const list = ["//example.com"];
      for (const origin of ["http://example.com", "https://example.com", "https://example.com:8443"]) {
        expect(allows(list, origin), origin).to.equal(true);
      }
      for (const origin of [
        "https://www.example.com",
        "https://example.org",
        "https://xexample.com",
        "null",
        "x",
      ]) {
        expect(allows(list, origin), origin).to.equal(false);
      }
    });

    it("scheme://host: that scheme on its default port", () => {
      expect(allows(["https://example.com"], "https://example.com")).to.equal(true);
      expect(allows(["https://example.com"], "https://example.com:443")).to.equal(true);
      expect(allows(["https://example.com"], "http://example.com")).to.equal(false);
      expect(allows(["https://example.com"], "https://example.com:8443")).to.equal(false);
      expect(allows(["http://example.com/"], "http://example.com")).to.equal(true);
      expect(allows(["http://example.com"], "http://example.com:443")).to.equal(false);
    });

    it("with a port: that port", () => {
      expect(allows(["//example.com:8443"], "https://example.com:8443")).to.equal(true);
      expect(allows(["//example.com:8443"], "http://example.com:8443")).to.equal(true);
      expect(allows(["//example.com:8443"], "https://example.com")).to.equal(false);
      expect(allows(["//example.com:443"], "https://example.com")).to.equal(true);
      expect(allows(["//example.com:443"], "http://example.com")).to.equal(false);
      expect(allows(["https://example.com:8443"], "https://example.com:8443")).to.equal(true);
      expect(allows(["https://example.com:8443"], "http://example.com:8443")).to.equal(false);
    });

    it("//*.host: the host and all below it", () => {
      const list = ["//*.example.com"];
      for (const origin of ["https://example.com", "https://a.example.com", "http://a.b.example.com:1"]) {
        expect(allows(list, origin), origin).to.equal(true);
      }
      for (const origin of ["https://xexample.com", "https://example.com.evil.test", "https://com"]) {
        expect(allows(list, origin), origin).to.equal(false);
      }
      expect(allows(["https://*.example.com"], "http://a.example.com")).to.equal(false);
      expect(allows(["//*.example.com:81"], "http://a.example.com:81")).to.equal(true);
      expect(allows(["//*.example.com:81"], "http://a.example.com")).to.equal(false);
    });

    it("takes upper case, other schemes, and addresses", () => {
      expect(allows(["HTTPS://EXAMPLE.com"], "https://example.com")).to.equal(true);
      expect(allows(["capacitor://localhost"], "capacitor://localhost")).to.equal(true);
      expect(allows(["capacitor://localhost"], "http://localhost")).to.equal(false);
      expect(allows(["http://[::1]:3000"], "http://[::1]:3000")).to.equal(true);
      expect(allows(["http://127.0.0.1:3000"], "http://127.0.0.1:3000")).to.equal(true);
    });

    it("lets in whom any entry names, an empty one nobody", () => {
      const list = ["https://a.test", "//b.test"];
      expect(allows(list, "https://a.test")).to.equal(true);
      expect(allows(list, "http://b.test:81")).to.equal(true);
      expect(allows(list, "https://c.test")).to.equal(false);
      expect(allows([], "https://example.com")).to.equal(false);
    });

    it("doesn't look at the Host header", () => {
      expect(allows(["//example.com"], "https://example.com", "other.test")).to.equal(true);
      expect(allows(["//example.com"], "https://other.test", "other.test")).to.equal(false);
    });

    it("throws at mount for what isn't an origin, naming it", () => {
      for (const entry of [
        "example.com",
        "example.com:443",
        "https://",
        "//",
        "https://example.com/path",
        "https://example.com?x",
        "https://user@example.com",
        "https://*",
        "https://a.*.com",
        "//*example.com",
        "https://example.com:port",
        "https://example.com:123456",
        "*",
        "",
        " //example.com",
        7,
        null,
        /example/,
      ]) {
        expect(() => new Endpoint().socket("/s", Anyone, { checkOrigin: [entry as string] }), String(entry))
          .to.throw(ConfigError, "checkOrigin")
          .that.satisfies((error: ConfigError) => error.code === "invalid_option");
      }
    });
  });

  it("throws at mount for anything else", () => {
    for (const value of ["//example.com", 1, null, {}]) {
      expect(() => new Endpoint().socket("/s", Anyone, { checkOrigin: value as never })).to.throw(
        ConfigError,
        "checkOrigin",
      );
    }
  });

  describe("a function", () => {
    it("decides, with the origin and the request", async () => {
      const asked: unknown[] = [];
      const { url } = await serve(Anyone, {
        checkOrigin(origin, request) {
          asked.push([origin, request.headers["x-tenant"]]);
          return origin === "https://good.test";
        },
      });
      await connect(url, "vsn=2.0.0", { origin: "https://good.test", headers: { "X-Tenant": "t1" } });
      expect(await refused(url, "vsn=2.0.0", { origin: "https://bad.test" })).to.include({ status: 403 });
      expect(asked).to.deep.equal([
        ["https://good.test", "t1"],
        ["https://bad.test", undefined],
      ]);
    });

    it("lets in by true alone: a promise is truthy", () => {
      for (const answer of [Promise.resolve(false), Promise.resolve(true), 1, "yes", {}, undefined]) {
        expect(allows(() => answer, "https://a.test")).to.equal(false);
      }
    });

    it("that throws answers 500, is logged, and asks connect nothing", async () => {
      let asked = false;
      class Asked extends Socket {
        override connect() {
          asked = true;
          return super.connect({}, undefined as never);
        }
      }
      const { url, lines } = await serve(Asked, {
        checkOrigin() {
          throw new Error("no database");
        },
      });
      expect(await refused(url, "vsn=2.0.0", { origin: "https://a.test" })).to.include({
        status: 500,
        body: "",
      });
      expect(asked).to.equal(false);
      expect(lines).to.have.length(1);
      expect(lines[0]?.details).to.include({ cause: "origin_crashed", status: 500 });
      expect(lines[0]?.details.err).to.have.property("message", "no database");
    });
  });

  it("a refusal is 403, logged with the origin and what to do, and asks neither connect nor onRefused", async () => {
    const asked: string[] = [];
    class Asked extends Socket {
      override connect() {
        asked.push("connect");
        return super.connect({}, undefined as never);
      }
    }
    const { url, lines } = await serve(Asked, {
      onRefused() {
        asked.push("onRefused");
        return { status: 418 };
      },
    });
    const answer = await refused(url, "vsn=2.0.0", { origin: "https://evil.test" });
    expect(answer).to.include({ status: 403, body: "" });
    expect(asked).to.deep.equal([]);
    expect(lines[0]?.details).to.include({ cause: "origin", origin: "https://evil.test" });
    expect(lines[0]?.details.error).to.include("checkOrigin");
  });

  it("is true unless the mount says otherwise, also per transport", async () => {
    const { url, port } = await serve(Anyone);
    await connect(url, "vsn=2.0.0", { origin: `http://127.0.0.1:${port}` });
    expect(await refused(url, "vsn=2.0.0", { origin: `http://localhost:${port}` })).to.include({
      status: 403,
    });
    const other = await serve(Anyone, { checkOrigin: true, websocket: { checkOrigin: false } });
    await connect(other.url, "vsn=2.0.0", { origin: "https://anything.test" });
  });
});

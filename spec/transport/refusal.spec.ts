import type { IncomingMessage } from "node:http";
import { expect } from "chai";
import {
  type ConnectResult,
  error,
  ok,
  ReturnError,
  reply,
  Socket,
  type SocketClass,
} from "../../lib/index.ts";
import { refused } from "../support/client.ts";
import { type LogLine, serve } from "../support/server.ts";

/** A socket class whose connect does what the spec says. */
function answering(connect: () => unknown, id?: () => unknown): SocketClass {
  return class Answering extends Socket {
    override connect() {
      return connect() as ConnectResult;
    }
    override id() {
      return (id === undefined ? null : id()) as string | null;
    }
  };
}

/** What was logged of the clients that were refused: a line for each. */
function refusals(lines: readonly LogLine[]) {
  return lines
    .filter(({ message }) => message.startsWith("REFUSED CONNECTION"))
    .map(({ details }) => details);
}

const throwing = () => {
  throw new Error("no database");
};

/** The id by which the log knows the latest refusal. */
function idOf(lines: readonly LogLine[]): string {
  const id = lines.at(-1)?.details.id;
  if (typeof id !== "string") throw new Error("the line of the refusal has no id");
  return id;
}

describe("a client that connect refuses", () => {
  for (const [how, wrap] of [
    ["synchronously", (value: unknown) => value],
    ["asynchronously", (value: unknown) => Promise.resolve(value)],
  ] as const) {
    it(`gets 403 and nothing else (${how})`, async () => {
      for (const answer of [error(), error("banned"), error({ code: 7 })]) {
        const { url, endpoint, lines } = await serve(answering(() => wrap(answer)));
        const { status, body, headers } = await refused(url);
        expect({ status, body }).to.deep.equal({ status: 403, body: "" });
        expect(headers).to.deep.equal({
          connection: "close",
          "content-length": "0",
          "x-explain-id": idOf(lines),
        });
        expect(endpoint.stats().connections).to.equal(0);
      }
    });

    it(`gets what onRefused says (${how})`, async () => {
      const asked: unknown[] = [];
      const { url, lines } = await serve(
        answering(() => wrap(error({ retry: 30 }))),
        {
          onRefused(request: IncomingMessage, reason) {
            asked.push([request.url, reason]);
            return {
              status: 429,
              body: "später",
              headers: { "Retry-After": "30", "Content-Type": "text/plain" },
            };
          },
        },
      );
      const { status, body, headers } = await refused(url);
      expect({ status, body }).to.deep.equal({ status: 429, body: "später" });
      expect(headers).to.deep.equal({
        connection: "close",
        "content-length": "7",
        "retry-after": "30",
        "content-type": "text/plain",
        "x-explain-id": idOf(lines),
      });
      expect(asked).to.deep.equal([["/socket/websocket?vsn=2.0.0", { retry: 30 }]]);
    });

    it(`answers that are none are 403, and logged with what was expected (${how})`, async () => {
      for (const value of [undefined, null, true, "ok", {}, { status: "ok" }, reply("maybe"), () => ok()]) {
        const { url, lines } = await serve(answering(() => wrap(value)));
        expect(await refused(url)).to.include({ status: 403, body: "" });
        expect(refusals(lines)).to.have.length(1);
        expect(refusals(lines)[0]).to.include({ cause: "invalid_return", status: 403 });
        expect(refusals(lines)[0]?.err)
          .to.be.instanceOf(ReturnError)
          .with.property("message")
          .that.matches(/Answering\.connect .* expected ok\(\) or error\(reason\?\)/);
      }
    });

    it(`an id that is none is 403, and logged (${how})`, async () => {
      for (const id of [undefined, "", 7, {}, Promise.resolve("user:1")]) {
        const { url, lines } = await serve(
          answering(
            () => wrap(ok()),
            () => id,
          ),
        );
        expect(await refused(url)).to.include({ status: 403, body: "" });
        expect(refusals(lines)).to.have.length(1);
        expect(refusals(lines)[0]).to.include({ cause: "invalid_id", status: 403 });
        expect(refusals(lines)[0]?.err)
          .to.be.instanceOf(ReturnError)
          .with.property("message")
          .that.matches(/Answering\.id .* expected a string or null/);
      }
    });

    it(`a throw in id answers 500, and is logged (${how})`, async () => {
      const { url, lines, endpoint } = await serve(answering(() => wrap(ok()), throwing));
      expect(await refused(url)).to.include({ status: 500, body: "" });
      expect(lines.map(({ details }) => (details.err as Error | undefined)?.message)).to.include(
        "no database",
      );
      expect(endpoint.stats()).to.include({ connections: 0, topics: 0 });
    });
  }

  it("a throw in connect answers 500, says nothing of it, and is logged", async () => {
    for (const connect of [throwing, () => Promise.reject(new Error("no database"))]) {
      const { url, lines } = await serve(answering(connect));
      expect(await refused(url)).to.deep.include({ status: 500, body: "" });
      expect(refusals(lines).map(({ cause, err }) => [cause, (err as Error).message])).to.deep.equal([
        ["connect_crashed", "no database"],
      ]);
    }
  });

  it("a throw of nothing, of a reply, or in a constructor answers 500 too", async () => {
    const throws = (value: unknown) => () => {
      throw value;
    };
    class Broken extends Socket {
      readonly field = throwing();
    }
    for (const socketClass of [
      answering(throws(undefined)),
      answering(throws(error("thrown"))),
      answering(() => Promise.reject()),
      Broken,
    ]) {
      const { url } = await serve(socketClass as SocketClass);
      expect(await refused(url)).to.include({ status: 500 });
    }
  });

  it("a promise-like answer counts, and one that throws is a throw", async () => {
    const like = (then: (resolve: (value: unknown) => void) => void) => () => ({ then });
    const yes = await serve(answering(like((resolve) => resolve(error("no")))));
    expect(await refused(yes.url)).to.include({ status: 403 });
    for (const then of [
      throwing,
      (resolve: (value: unknown) => void) => {
        resolve(error("no"));
        throwing();
      },
    ]) {
      const { url } = await serve(answering(like(then)));
      expect((await refused(url)).status).to.be.oneOf([403, 500]);
    }
    const getter = {
      // biome-ignore lint/suspicious/noThenProperty: what is tested
      get then() {
        return throwing();
      },
    };
    const { url } = await serve(answering(() => getter));
    expect(await refused(url)).to.include({ status: 500 });
  });

  describe("paramsSchema", () => {
    const schema = (validate: (value: unknown) => unknown) =>
      ({ "~standard": { version: 1, vendor: "spec", validate } }) as never;

    it("refuses with 403 before connect is asked, and logs why", async () => {
      const asked: string[] = [];
      class Picky extends Socket {
        static override paramsSchema = schema(() => ({ issues: [{ message: "no token", path: ["id"] }] }));
        override connect() {
          asked.push("connect");
          return ok();
        }
      }
      const { url, lines } = await serve(Picky, {
        onRefused() {
          asked.push("onRefused");
          return { status: 422 };
        },
      });
      expect(await refused(url)).to.include({ status: 403, body: "" });
      expect(asked).to.deep.equal([]);
      expect(JSON.stringify(lines)).to.include("no token");
    });

    it("that throws, rejects or answers garbage is a 500", async () => {
      for (const validate of [
        throwing,
        () => Promise.reject(new Error("x")),
        () => undefined,
        () => ({ issues: 7 }),
      ]) {
        class Picky extends Socket {
          static override paramsSchema = schema(validate);
        }
        const { url } = await serve(Picky);
        expect(await refused(url)).to.include({ status: 500 });
      }
    });
  });

  describe("onRefused", () => {
    const refusing = answering(() => error("no"));

    it("that returns nothing means 403", async () => {
      for (const nothing of [undefined, null]) {
        const { url } = await serve(refusing, { onRefused: () => nothing as undefined });
        expect(await refused(url)).to.include({ status: 403, body: "" });
      }
    });

    it("that throws, or returns what is no answer, is a 500 and logged", async () => {
      for (const onRefused of [
        throwing,
        () => 429,
        () => "no",
        () => ({}),
        () => ({ status: "429" }),
        () => ({ status: 200 }),
        () => ({ status: 101 }),
        () => ({ status: 399 }),
        () => ({ status: 600 }),
        () => ({ status: 403.5 }),
        () => ({ status: 403, body: 7 }),
        () => ({ status: 403, body: Buffer.from("x") }),
        () => ({ status: 403, headers: "x" }),
        () => ({ status: 403, headers: { "X-Number": 7 } }),
        () => ({ status: 403, headers: { "bad name": "x" } }),
        () => ({ status: 403, headers: { "X-Split": "a\r\nSet-Cookie: b" } }),
        () => Promise.resolve({ status: 429 }),
      ]) {
        const { url, lines } = await serve(refusing, { onRefused: onRefused as never });
        const { status, body, headers } = await refused(url);
        expect({ status, body }, String(onRefused)).to.deep.equal({ status: 500, body: "" });
        expect(headers).not.to.have.property("set-cookie");
        expect(refusals(lines)).to.have.length(1);
        expect(refusals(lines)[0]).to.include({ status: 500, error: "onRefused crashed" });
      }
    });

    it("can't change how the answer is framed", async () => {
      const { url, lines } = await serve(refusing, {
        onRefused: () => ({
          status: 403,
          body: "four",
          headers: { "content-length": "1", CONNECTION: "keep-alive" },
        }),
      });
      const { body, headers } = await refused(url);
      expect(body).to.equal("four");
      expect(headers).to.deep.equal({
        connection: "close",
        "content-length": "4",
        "x-explain-id": idOf(lines),
      });
    });

    it("a body that is framed otherwise by a header still has its end", async () => {
      const { url } = await serve(refusing, {
        onRefused: () => ({ status: 403, body: "text", headers: { "Transfer-Encoding": "chunked" } }),
      });
      expect(await refused(url)).to.include({ status: 403, body: "text" });
    });
  });
});

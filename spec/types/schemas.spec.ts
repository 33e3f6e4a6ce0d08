import { type } from "arktype";
import { expect } from "chai";
import * as v from "valibot";
import { z } from "zod";
import { Channel, type ConnectParams, ok, type Schema, Socket } from "../../lib/index.ts";
import { connect, refused } from "../support/client.ts";
import type { Frame, FrameClient } from "../support/frame-client.ts";
import { serveInMemory } from "../support/memory.ts";

const shout = (text: string) => text.toUpperCase();

interface Library {
  readonly name: string;
  /** A body of at least one character, which it writes in capitals, and perhaps tags with names. */
  readonly message: Schema<{ body: string; tags?: { name: string }[] | undefined }>;
  /** `user[id]`, a number written as text. */
  readonly params: Schema<{ user: { id: number } }>;
  /** A name that isn't "taken", which it finds out later. */
  readonly later: Schema<{ name: string }> | null;
}

const LIBRARIES: readonly Library[] = [
  {
    name: "zod",
    message: z.object({
      body: z.string().min(1).transform(shout),
      tags: z.array(z.object({ name: z.string() })).optional(),
    }),
    params: z.object({ user: z.object({ id: z.string().regex(/^\d+$/).transform(Number) }) }),
    later: z.object({ name: z.string().refine(async (name) => name !== "taken", "is taken") }),
  },
  {
    name: "valibot",
    message: v.object({
      body: v.pipe(v.string(), v.minLength(1), v.transform(shout)),
      tags: v.optional(v.array(v.object({ name: v.string() }))),
    }),
    params: v.object({ user: v.object({ id: v.pipe(v.string(), v.digits(), v.transform(Number)) }) }),
    later: v.objectAsync({
      name: v.pipeAsync(
        v.string(),
        v.checkAsync(async (name) => name !== "taken", "is taken"),
      ),
    }),
  },
  {
    name: "arktype",
    message: type({ body: type("string >= 1").pipe(shout), "tags?": type({ name: "string" }).array() }),
    params: type({ user: { id: "string.integer.parse" } }),
    // Its schemas are all synchronous.
    later: null,
  },
];

/** What a reply frame says, once each issue is known to be {message, path} with a readable message. */
function refusal([, , , , { status, response }]: Frame): unknown {
  const paths = response.issues.map((issue: Record<string, unknown>) => {
    expect(issue).to.have.all.keys("message", "path");
    expect(issue.message).to.be.a("string").and.not.equal("");
    return issue.path;
  });
  return { status, reason: response.reason, paths };
}

for (const { name, message, params, later } of LIBRARIES) {
  describe(`schemas of ${name}`, () => {
    let seen: unknown[] = [];

    class RoomChannel extends Channel {
      static override joinSchema?: Schema;
      override join(_topic: string, payload: unknown) {
        seen.push(payload);
        return ok({ joined: payload });
      }
      static {
        this.on("say", message, function (payload, channel) {
          seen.push(payload, this === channel && this instanceof RoomChannel);
          return ok(payload);
        });
        if (later !== null) this.on("rename", later, (payload) => ok({ renamed: payload.name }));
        this.on("plain", (payload) => ok({ plain: payload }));
      }
    }

    class StrictChannel extends RoomChannel {
      static override joinSchema = message;
    }

    class LaterChannel extends RoomChannel {
      static override joinSchema = later ?? message;
    }

    class UserSocket extends Socket<object> {
      static override channels = {
        "room:*": RoomChannel,
        "strict:*": StrictChannel,
        "later:*": LaterChannel,
      };
    }

    async function joined(): Promise<FrameClient> {
      const { url } = serveInMemory(UserSocket);
      const client = await connect(url);
      await client.join("room:1");
      seen = [];
      return client;
    }

    beforeEach(() => {
      seen = [];
    });

    it("give the handler their output, and the channel as this and as second argument", async () => {
      const client = await joined();
      const frame = await client.ask("1", "2", "room:1", "say", { body: "hi", tags: [{ name: "a" }] });
      expect(frame[4]).to.deep.equal({ status: "ok", response: { body: "HI", tags: [{ name: "a" }] } });
      expect(seen).to.deep.equal([{ body: "HI", tags: [{ name: "a" }] }, true]);
    });

    it("answer what they refuse with the issues, and the handler isn't called", async () => {
      const client = await joined();
      const cases: [payload: unknown, paths: unknown[]][] = [
        [{ body: 5 }, [["body"]]],
        [{ body: "" }, [["body"]]],
        [{}, [["body"]]],
        [{ body: "a", tags: [{ name: "b" }, { name: 7 }] }, [["tags", 1, "name"]]],
        [{ body: "", tags: [{}] }, [["body"], ["tags", 0, "name"]]],
        ["text", [[]]],
        [null, [[]]],
      ];
      for (const [payload, paths] of cases) {
        const frame = await client.ask("1", "2", "room:1", "say", payload);
        expect(refusal(frame), JSON.stringify(payload)).to.deep.equal({
          status: "error",
          reason: "invalid payload",
          paths,
        });
      }
      expect(seen).to.deep.equal([]);
      // The channel goes on.
      expect((await client.ask("1", "3", "room:1", "say", { body: "ok" }))[4].status).to.equal("ok");
    });

    it("leave payloads of events without one as they are", async () => {
      const client = await joined();
      const frame = await client.ask("1", "2", "room:1", "plain", { body: 5, more: [null] });
      expect(frame[4]).to.deep.equal({ status: "ok", response: { plain: { body: 5, more: [null] } } });
    });

    it("check and shape what joins bring (joinSchema)", async () => {
      const { url } = serveInMemory(UserSocket);
      const client = await connect(url);
      expect(refusal(await client.join("strict:1", { body: 5 }))).to.deep.equal({
        status: "error",
        reason: "invalid payload",
        paths: [["body"]],
      });
      expect(seen).to.deep.equal([]);
      // Not joined: the topic is unknown to what comes next.
      expect((await client.ask("1", "2", "strict:1", "plain"))[4].response).to.deep.equal({
        reason: "unmatched topic",
      });
      const frame = await client.join("strict:1", { body: "hi" }, "3");
      expect(frame[4]).to.deep.equal({ status: "ok", response: { joined: { body: "HI" } } });
      expect(seen).to.deep.equal([{ body: "HI" }]);
    });

    it("check and shape what connections bring (paramsSchema)", async () => {
      let got: unknown;
      class ParamsSocket extends UserSocket {
        static override paramsSchema = params;
        override connect(checked: ConnectParams) {
          got = checked;
          return ok();
        }
      }
      const { url, lines } = serveInMemory(ParamsSocket);
      expect((await refused(url, "vsn=2.0.0&user[id]=seven")).status).to.equal(403);
      expect((await refused(url, "vsn=2.0.0")).status).to.equal(403);
      expect(got).to.equal(undefined);
      const reasons = lines.flatMap(({ details }) => (details.reason === undefined ? [] : [details.reason]));
      const paths = (reasons as { issues: { path: unknown }[] }[]).map(({ issues }) => issues[0]?.path);
      expect(paths).to.deep.equal([["user", "id"], ["user"]]);

      await connect(url, "vsn=2.0.0&user[id]=7");
      expect(got).to.have.deep.property("user", { id: 7 });
    });

    if (later === null) return;

    it("may be asynchronous; what comes behind waits its turn", async () => {
      const client = await joined();
      client.send(["1", "2", "room:1", "rename", { name: "free" }]);
      client.send(["1", "3", "room:1", "rename", { name: "taken" }]);
      client.send(["1", "4", "room:1", "plain", {}]);
      const frames = await client.take(3);
      expect(frames.map((frame) => frame[1])).to.deep.equal(["2", "3", "4"]);
      expect(frames[0]?.[4]).to.deep.equal({ status: "ok", response: { renamed: "free" } });
      expect(frames[1]?.[4].response).to.deep.equal({
        reason: "invalid payload",
        issues: [{ message: "is taken", path: ["name"] }],
      });
    });

    it("may be asynchronous for joins too", async () => {
      const { url } = serveInMemory(UserSocket);
      const client = await connect(url);
      const no = await client.join("later:1", { name: "taken" });
      expect(refusal(no)).to.deep.include({ status: "error", paths: [["name"]] });
      expect(seen).to.deep.equal([]);
      expect((await client.join("later:1", { name: "free" }, "2"))[4].status).to.equal("ok");
      expect(seen).to.deep.equal([{ name: "free" }]);
    });
  });
}

describe("schemas that fail", () => {
  /** A Standard Schema of the app's own. */
  const custom = (check: () => unknown) =>
    ({ "~standard": { version: 1, vendor: "spec", validate: check } }) as Schema;
  const thrown = new Error("no database");
  const throwing = custom(() => {
    throw thrown;
  });
  const rejecting = custom(() => Promise.reject(thrown));

  for (const [how, schema] of [
    ["throw", throwing],
    ["reject", rejecting],
  ] as const) {
    class RoomChannel extends Channel {
      override join() {
        return ok();
      }
      static {
        this.on("say", schema, () => ok());
      }
    }
    class StrictChannel extends RoomChannel {
      static override joinSchema = schema;
    }
    class UserSocket extends Socket {
      static override channels = { "room:*": RoomChannel, "strict:*": StrictChannel };
    }

    it(`crash the channel, when they ${how}`, async () => {
      const { url, lines } = serveInMemory(UserSocket);
      const client = await connect(url);
      await client.join("room:1");
      expect(await client.ask("1", "2", "room:1", "say")).to.deep.equal([
        "1",
        "1",
        "room:1",
        "phx_error",
        { reason: "channel_crash" },
      ]);
      expect(lines.flatMap(({ details }) => details.err ?? [])).to.deep.equal([thrown]);
    });

    it(`crash the join, when they ${how}`, async () => {
      const { url, lines } = serveInMemory(UserSocket);
      const client = await connect(url);
      expect((await client.join("strict:1"))[4]).to.deep.equal({
        status: "error",
        response: { reason: "join crashed" },
      });
      expect(lines.flatMap(({ details }) => details.err ?? [])).to.deep.equal([thrown]);
    });

    it(`refuse the connection with 500, when they ${how}`, async () => {
      class ParamsSocket extends UserSocket {
        static override paramsSchema = schema;
      }
      const { url, lines } = serveInMemory(ParamsSocket);
      expect((await refused(url)).status).to.equal(500);
      expect(lines.flatMap(({ details }) => details.err ?? [])).to.deep.equal([thrown]);
    });
  }

  it("write a path's symbols and segments as JSON can: {key} by its key, a symbol by its name", async () => {
    const issues = [{ message: "no", path: ["a", { key: 0 }, Symbol("s")] }, { message: "none" }];
    class RoomChannel extends Channel {
      override join() {
        return ok();
      }
      static {
        this.on(
          "say",
          custom(() => ({ issues })),
          () => ok(),
        );
      }
    }
    class UserSocket extends Socket {
      static override channels = { "room:*": RoomChannel };
    }
    const { url } = serveInMemory(UserSocket);
    const client = await connect(url);
    await client.join("room:1");
    const frame = await client.ask("1", "2", "room:1", "say");
    expect(frame[4].response.issues).to.deep.equal([
      { message: "no", path: ["a", 0, "Symbol(s)"] },
      { message: "none", path: [] },
    ]);
  });
});

describe("an arktype schema, which is a function", () => {
  const Message = type({ body: "string" });

  class RoomChannel extends Channel {
    override join() {
      return ok();
    }
    static {
      this.on("schema", Message, ({ body }) => ok({ body }));
      this.on("handler", (payload) => ok({ payload }));
    }
  }
  class UserSocket extends Socket {
    static override channels = { "room:*": RoomChannel };
  }

  it("is told apart from a handler by the number of arguments", async () => {
    const { url } = serveInMemory(UserSocket);
    const client = await connect(url);
    await client.join("room:1");
    expect((await client.ask("1", "2", "room:1", "schema", { body: 5 }))[4].status).to.equal("error");
    expect((await client.ask("1", "3", "room:1", "schema", { body: "a" }))[4].response).to.deep.equal({
      body: "a",
    });
    expect((await client.ask("1", "4", "room:1", "handler", { body: 5 }))[4].response).to.deep.equal({
      payload: { body: 5 },
    });
  });
});

import { expect } from "chai";
import { Channel, error, noreply, ok, ReturnError, reply, Socket, stop } from "../../lib/index.ts";
import { connect } from "../support/client.ts";
import type { FrameClient } from "../support/frame-client.ts";
import { serveInMemory } from "../support/memory.ts";
import type { LogLine } from "../support/server.ts";
import { expectRefusal } from "./expect-refused.ts";

type Returned = readonly [value: unknown, shown: string];

/** What no callback may return; most of them also not nothing. */
const NEVER: readonly Returned[] = [
  [null, "returned null"],
  [true, "returned true"],
  [0, "returned 0"],
  ["ok", 'returned "ok"'],
  [{ status: "ok", payload: {} }, "returned an object"],
  [["ok", {}], "returned an array of 2"],
  [ok, "returned function ok"],
  [new Error("no"), "returned an instance of Error"],
];

const NOTHING: Returned = [undefined, "returned undefined"];
const OK: Returned = [ok(), "returned an instance of Reply"];
const MAYBE: Returned = [reply("maybe"), "returned an instance of Reply"];
const NO_REPLY: Returned = [noreply(), "returned an instance of NoReply"];
const STOP: Returned = [stop(), "returned an instance of Stop"];
const STOP_REPLY: Returned = [stop("normal", ok()), "returned an instance of Stop"];

/** A channel whose callbacks return what the spec says; `act` is a callback and what it returns. */
interface Act {
  readonly callback: "join" | "handleIn" | "on" | "handleOut" | "handleInfo";
  readonly result: () => unknown;
}

async function serveRoom({ callback, result }: Act) {
  // As for an app without types.
  // biome-ignore lint/suspicious/noExplicitAny: the callbacks return what they may not
  const returned = (of: Act["callback"], right: unknown): any => (of === callback ? result() : right);

  class RoomChannel extends Channel {
    static override intercepts = ["shout"];
    override join() {
      return returned("join", ok());
    }
    override handleIn(event: string, payload: unknown) {
      return event === "raw" ? returned("handleIn", ok()) : super.handleIn(event, payload);
    }
    override handleOut() {
      return returned("handleOut", undefined);
    }
    override handleInfo() {
      return returned("handleInfo", undefined);
    }
    static {
      this.on("say", () => returned("on", ok()));
      this.on("note", function () {
        this.sendSelf("note");
        return ok();
      });
      this.on("shout", function () {
        this.broadcast("shout", {});
        return ok();
      });
    }
  }
  class UserSocket extends Socket {
    static override channels = { "room:*": RoomChannel };
  }
  const { url, lines } = serveInMemory(UserSocket);
  const client = await connect(url);
  return { client, lines };
}

/** What makes the server call the callback, and how many replies of its own that has. */
const TRIGGER = { handleIn: "raw", on: "say", handleOut: "shout", handleInfo: "note" } as const;

function expectReturnError(lines: readonly LogLine[], words: readonly string[]): void {
  const errors = lines.filter(({ level }) => level === "error");
  expect(errors).to.have.length(1);
  const err = errors[0]?.details.err;
  expect(err).to.be.instanceOf(ReturnError);
  expectRefusal(err, "invalid_return", words);
}

/** The channel ends with phx_error, the one thing besides the trigger's own reply that the client gets. */
async function expectCrash(client: FrameClient, callback: keyof typeof TRIGGER): Promise<void> {
  await client.join("room:a");
  client.send(["1", "2", "room:a", TRIGGER[callback], {}]);
  if (callback === "handleOut" || callback === "handleInfo") {
    expect((await client.next())[4]).to.deep.equal({ status: "ok", response: {} });
  }
  expect(await client.next()).to.deep.equal(["1", "1", "room:a", "phx_error", { reason: "channel_crash" }]);
  expect(await client.settle()).to.deep.equal([]);
}

/** In both kinds of callback: those that return at once, and those that return a promise. */
const KINDS = [
  ["", (value: unknown) => () => value],
  [" in a promise", (value: unknown) => async () => value],
] as const;

describe("a wrong return", () => {
  for (const [kind, make] of KINDS) {
    for (const [value, shown] of [...NEVER, NOTHING, MAYBE, NO_REPLY, STOP]) {
      it(`of join${kind} crashes the join: ${shown}`, async () => {
        const { client, lines } = await serveRoom({ callback: "join", result: make(value) });
        expect((await client.join("room:a"))[4]).to.deep.equal({
          status: "error",
          response: { reason: "join crashed" },
        });
        expectReturnError(lines, ["RoomChannel.join", shown, "ok(payload?) or error(payload?)"]);
      });
    }

    for (const callback of ["handleIn", "on"] as const) {
      for (const [value, shown] of NEVER) {
        it(`of ${callback}${kind} ends the channel: ${shown}`, async () => {
          const { client, lines } = await serveRoom({ callback, result: make(value) });
          await expectCrash(client, callback);
          // The error names the event, since one table has many handlers.
          const words = [
            "RoomChannel.handleIn",
            TRIGGER[callback],
            shown,
            "nothing, noreply(), ok(), error()",
            "stop()",
          ];
          expectReturnError(lines, words);
        });
      }
    }

    for (const callback of ["handleOut", "handleInfo"] as const) {
      for (const [value, shown] of [...NEVER, OK, MAYBE, STOP_REPLY]) {
        it(`of ${callback}${kind} ends the channel: ${shown}`, async () => {
          const { client, lines } = await serveRoom({ callback, result: make(value) });
          await expectCrash(client, callback);
          expectReturnError(lines, [`RoomChannel.${callback}`, shown, "nothing, noreply() or stop()"]);
        });
      }
    }
  }
});

describe("a reply that is thrown instead of returned", () => {
  const results: Returned[] = [
    [error({ reason: "no" }), "an instance of Reply"],
    [stop(), "an instance of Stop"],
    [noreply(), "an instance of NoReply"],
  ];
  const throwing = [
    [
      "",
      (value: unknown) => () => {
        throw value;
      },
    ],
    [
      " in a promise",
      (value: unknown) => async () => {
        throw value;
      },
    ],
  ] as const;

  for (const [kind, make] of throwing) {
    for (const [value, shown] of results) {
      it(`by join${kind}: ${shown}`, async () => {
        const { client, lines } = await serveRoom({ callback: "join", result: make(value) });
        expect((await client.join("room:a"))[4].response).to.deep.equal({ reason: "join crashed" });
        expectReturnError(lines, ["RoomChannel.join", "threw", shown, "return"]);
      });

      for (const callback of ["handleIn", "on", "handleOut", "handleInfo"] as const) {
        it(`by ${callback}${kind}: ${shown}`, async () => {
          const { client, lines } = await serveRoom({ callback, result: make(value) });
          await expectCrash(client, callback);
          const name = callback === "on" ? "handleIn" : callback;
          expectReturnError(lines, [`RoomChannel.${name}`, "threw", shown, "return"]);
        });
      }
    }
  }
});

describe("a deferred reply", () => {
  for (const [value, shown] of [...NEVER, NOTHING, NO_REPLY, STOP]) {
    it(`whose promise gives no reply ends the channel: ${shown}`, async () => {
      class RoomChannel extends Channel {
        override join() {
          return ok();
        }
        static {
          this.on("later", function () {
            this.deferReply(Promise.resolve(value as ReturnType<typeof ok>));
          });
        }
      }
      class UserSocket extends Socket {
        static override channels = { "room:*": RoomChannel };
      }
      const { url, lines } = serveInMemory(UserSocket);
      const client = await connect(url);
      await client.join("room:a");
      expect((await client.ask("1", "2", "room:a", "later"))[3]).to.equal("phx_error");
      const errors = lines.filter(({ level }) => level === "error");
      expect(errors).to.have.length(1);
      const { message } = (errors[0] as LogLine).details.err as Error;
      for (const word of ["deferReply", shown.replace("returned ", ""), "ok(), error() or reply(status)"]) {
        expect(message).to.include(word);
      }
    });
  }
});

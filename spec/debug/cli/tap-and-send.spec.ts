import { expect } from "chai";
import { Channel, error, ok, Socket } from "../../../lib/index.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { serve } from "../../support/server.ts";
import { DOCUMENT, serveDocuments, TENANT, TOPIC } from "../support/documents.ts";
import { handServer } from "../support/hand-server.ts";
import { doctor, run } from "../support/run.ts";

class Room extends Channel {
  override join(topic: string) {
    if (topic === "room:news") this.sendSelf("joined");
    return topic === "room:private" ? error({ reason: "unauthorized" }) : ok({ you: "here" });
  }
  override handleInfo() {
    this.broadcast("gossip", {});
    this.broadcast("news", { body: "hi" });
  }
  static {
    this.on("echo", (payload) => ok(payload as object));
    this.on("refuse", () => error({ reason: "too loud" }));
    this.on("crash", () => {
      throw new Error("crash");
    });
    this.on("shout", function (payload) {
      this.broadcast("shouted", payload as object);
    });
  }
}

class UserSocket extends Socket {
  static override channels = { "room:*": Room };
}

describe("tap", () => {
  it("prints frames as they come and go, until it has enough", async () => {
    const { mount, endpoint } = await serve(UserSocket);
    const { code, stdout } = await run(["tap", mount, "-t", "room:a", "-t", "room:b", "-n", "2"], {
      onLine: (line) => {
        if (!/room:b reply ok/.test(line)) return;
        endpoint.broadcast("room:a", "news", { body: "hi" });
        endpoint.broadcast("room:b", "news", new Uint8Array(3));
        endpoint.broadcast("room:b", "news", { body: "too late" });
      },
    });
    expect(code).to.equal(0);
    expect(stdout.replaceAll(/^ +\d+\.\d{3} /gm, "").split("\n")).to.deep.equal([
      "→ room:a phx_join [1 1] {}",
      '← room:a reply ok [1 1] {"you":"here"}',
      "→ room:b phx_join [2 2] {}",
      '← room:b reply ok [2 2] {"you":"here"}',
      '← room:a news [- -] {"body":"hi"}',
      "← room:b news [- -] <3 bytes>",
      "",
    ]);
  });

  it("prints only the events that are asked for, as JSON", async () => {
    const { mount } = await serve(UserSocket);
    const { code, stdout } = await run(["tap", mount, "-t", "room:news", "-e", "news", "-n", "1", "--json"]);
    expect(code).to.equal(0);
    const { at, ...frame } = JSON.parse(stdout);
    expect(at).to.be.a("number");
    expect(frame).to.deep.equal({
      connection: "",
      direction: "in",
      joinRef: null,
      ref: null,
      topic: "room:news",
      event: "news",
      payload: { body: "hi" },
    });
  });

  it("gets a document's ops, as a reader", async () => {
    const { mount, jwt } = await serveDocuments();
    const reader = jwt.generateReadOnlyToken(TENANT, DOCUMENT, "eve");
    const writer = jwt.generateFullAccessToken(TENANT, DOCUMENT, "ada");
    let written: Promise<unknown> = Promise.resolve();
    const argv = ["tap", mount, "-t", TOPIC, "--token", reader, "-e", "op", "-e", "connect_document_success"];
    const { code, stdout } = await run([...argv, "-n", "2"], {
      onLine: (line) => {
        if (line.includes("connect_document_success")) {
          written = doctor([mount, "-t", TOPIC, "--token", writer]);
        }
      },
    });
    await written;
    expect(code).to.equal(0);
    expect(stdout).to.match(/← document:acme:doc-1 op \[[^\]]*\] \{"documentId":"doc-1","op":\[/);
  });

  it("says that a document gives nothing without a token", async () => {
    const { mount } = await serveDocuments();
    const abort = new AbortController();
    const { stderr } = await run(["tap", mount, "-t", TOPIC], {
      signal: abort.signal,
      onLine: (line) => {
        if (/reply ok/.test(line)) setImmediate(() => abort.abort());
      },
    });
    expect(stderr).to.include(`note: without a token nothing of ${TOPIC} comes`);
  });

  it("cuts long payloads, unless told otherwise", async () => {
    const { mount, endpoint } = await serve(UserSocket);
    const tap = (...more: string[]) =>
      run(["tap", mount, "-t", "room:a", "-n", "1", ...more], {
        onLine: (line) => {
          if (/reply ok/.test(line)) endpoint.broadcast("room:a", "long", { body: "a".repeat(1_000) });
        },
      });
    expect((await tap()).stdout).to.include("… (1011 characters)");
    expect((await tap("--full")).stdout).to.include(`{"body":"${"a".repeat(1_000)}"}`);
  });

  it("keeps the connection alive, and says when nobody answers any more", async () => {
    const clock = new ManualClock();
    let beats = 0;
    const { url } = await handServer(({ event, reply }) => {
      if (event !== "heartbeat") return false;
      if (++beats === 3) clock.advance(10_000);
      else reply("ok");
      return true;
    });
    const { code, stderr, stdout } = await run(["tap", url, "-t", "room:a", "--heartbeats"], {
      clock,
      onLine: (line) => {
        // The next beat is due 30 seconds after the answer to the last.
        if (/reply ok/.test(line)) setImmediate(() => clock.advance(30_000));
      },
    });
    expect(stdout.match(/→ phoenix heartbeat/g)).to.have.length(3);
    expect(stderr).to.include("heartbeat_unanswered: ");
    expect(code).to.equal(8);
  });

  it("says why it couldn't begin, and why it ended", async () => {
    const { mount, endpoint } = await serve(UserSocket);
    const refused = await run(["tap", mount, "-t", "room:private"]);
    expect(refused.code).to.equal(4);
    expect(refused.stderr).to.include("join_refused: ").and.include("unauthorized");
    const drained = await run(["tap", mount, "-t", "room:a"], {
      onLine: (line) => {
        if (/reply ok/.test(line)) void endpoint.drain();
      },
    });
    expect(drained.code).to.equal(3);
    expect(drained.stderr).to.include("draining: ").and.include("1012");
  });

  it("ends well when the user has seen enough", async () => {
    const { mount } = await serve(UserSocket);
    const abort = new AbortController();
    const { code, stderr } = await run(["tap", mount, "-t", "room:a"], {
      signal: abort.signal,
      onLine: (line) => {
        if (/reply ok/.test(line)) setImmediate(() => abort.abort());
      },
    });
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
  });

  it("is coloured on a terminal, and nowhere else", async () => {
    const { mount, endpoint } = await serve(UserSocket);
    const tap = (more: string[], options: object) =>
      run(["tap", mount, "-t", "room:a", "-n", "1", ...more], {
        ...options,
        onLine: (line) => {
          if (/reply ok/.test(line)) endpoint.broadcast("room:a", "news", {});
        },
      });
    const ESCAPE = "\u001b[";
    expect((await tap([], { isTTY: true })).stdout).to.include(`${ESCAPE}36mroom:a${ESCAPE}0m`);
    const plain: [string[], object][] = [
      [[], { isTTY: false }],
      [[], { isTTY: true, env: { NO_COLOR: "1" } }],
      [[], { isTTY: true, env: { TERM: "dumb" } }],
      [["--no-color"], { isTTY: true }],
    ];
    for (const [more, options] of plain) {
      expect((await tap(more, options)).stdout)
        .to.include("news")
        .and.not.include(ESCAPE);
    }
  });
});

describe("send", () => {
  const send = (mount: string, ...argv: string[]) => run(["send", mount, "-t", "room:a", ...argv]);

  it("prints the reply", async () => {
    const { mount } = await serve(UserSocket);
    const sent = await send(mount, "echo", '{"body":"hi"}');
    expect(sent).to.deep.equal({ code: 0, stdout: 'ok {"body":"hi"}\n', stderr: "" });
    expect((await send(mount, "echo")).stdout).to.equal("ok {}\n");
    const json = await send(mount, "echo", '{"body":"hi"}', "--json");
    expect(JSON.parse(json.stdout)).to.deep.equal({ status: "ok", response: { body: "hi" } });
  });

  it("takes the payload from the standard input", async () => {
    const { mount } = await serve(UserSocket);
    const sent = await run(["send", mount, "-t", "room:a", "echo", "-"], { stdin: '{"body":"piped"}\n' });
    expect(sent.stdout).to.equal('ok {"body":"piped"}\n');
    const both = await run(["send", mount, "-t", "room:a", "echo", "-", "--token", "-"], { stdin: "x" });
    expect(both.code).to.equal(64);
  });

  it("explains an error", async () => {
    const { mount } = await serve(UserSocket);
    const refused = await send(mount, "refuse");
    expect(refused).to.include({ code: 4, stdout: 'error {"reason":"too loud"}\n' });
    expect(refused.stderr).to.include("push_refused: ");
    const crashed = await send(mount, "crash", "--json");
    expect(crashed).to.include({ code: 4, stdout: "" });
    expect(JSON.parse(crashed.stderr)).to.include({ fault: "channel_crashed", kind: "channel" });
    const unreachable = await run(["send", "ws://127.0.0.1:9/socket", "-t", "room:a", "x"]);
    expect(unreachable.stderr).to.include("connection_refused: ");
    expect(unreachable.code).to.equal(2);
  });

  it("doesn't wait for a reply that doesn't come, but for the server to have read it", async () => {
    const { mount, endpoint } = await serve(UserSocket);
    const heard: unknown[] = [];
    endpoint.subscribe("room:a", ({ event, payload }) => heard.push([event, payload]));
    const sent = await send(mount, "shout", '{"body":"hi"}', "--no-reply");
    expect(sent).to.deep.equal({ code: 0, stdout: "", stderr: "" });
    expect(heard).to.deep.equal([["shouted", { body: "hi" }]]);
  });

  it("writes into a document", async () => {
    const { mount, jwt, documents } = await serveDocuments();
    const writer = jwt.generateFullAccessToken(TENANT, DOCUMENT, "ada");
    const op = '{"type":"op","contents":"x"}';
    const sent = await run(["send", mount, "-t", TOPIC, "--token", writer, "submitOp", op]);
    expect(sent.stdout).to.match(/^ok \{"sequenceNumber":\d+,"first":\d+\}\n$/);
    expect(documents.registry.lookup(TENANT, DOCUMENT)?.head).to.be.at.least(2);
  });
});

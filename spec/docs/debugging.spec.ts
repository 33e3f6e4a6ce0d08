import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect } from "chai";
import type { Socket } from "phoenix";
import { FAULTS, type FaultId } from "../../lib/debug/doctor/faults.ts";
import { adviceOf } from "../../lib/debug/inspector/advice.ts";
import { DocumentChannel } from "../../lib/documents/index.ts";
import { Channel, error, ok, type Payload, Socket as ServerSocket } from "../../lib/index.ts";
import {
  claims,
  DOCUMENT,
  SECRET,
  serveDocuments,
  sign,
  TENANT,
  TOPIC,
  token,
} from "../debug/support/documents.ts";
import { doctor, expectFault, run as runCommand } from "../debug/support/run.ts";
import { answer, ends, joins } from "../support/official-client.ts";
import { serve } from "../support/server.ts";
import { afterTest } from "../support/teardown.ts";
import { code, example, ROOT, rows, section } from "./markdown.ts";
import { blocks, commandLine, inPage, logPattern, normal } from "./transcripts.ts";
import { connectClient, Running, run, workshop } from "./workshop.ts";

const PAGE = "docs/debugging.md";

/** The problems, and whose token the page has. */
const PROBLEMS = [
  ["Joined, but operations fail", "WRITER"],
  ["Token refused", "EXPIRED"],
  ["Scope errors", "READER"],
  ["Message not received", "WRITER"],
  ["Session not found", "WRITER"],
] as const;

describe("docs/debugging.md", () => {
  /** Runs the page's server, and takes the tokens that it prints. */
  async function started(): Promise<{ server: Running; port: number; values: Map<string, string> }> {
    const server = await run(await workshop(), "server.mjs", example(PAGE, "server.mjs"));
    const values = new Map<string, string>();
    for (const name of ["WRITER", "READER", "EXPIRED"]) {
      values.set(name, (await server.line(new RegExp(`^export ${name}=(\\S+)$`)))[1] ?? "");
    }
    return { server, port: await server.port(), values };
  }

  for (const [heading, name] of PROBLEMS) {
    it(`${heading}: page, doctor and log are as it says`, async function () {
      this.timeout(30_000);
      const { server, port, values } = await started();
      let last = "";
      const compared: string[] = [];
      for (const { kind, text } of blocks(PAGE, heading)) {
        if (kind === "js" || kind === "sh") {
          last = text;
        } else if (kind === "text console") {
          const printed = await inPage(
            last,
            connectClient(port),
            values.get(name) ?? "",
            text.split("\n").length,
          );
          expect(normal(printed)).to.equal(normal(text));
        } else if (kind === "text doctor") {
          const { argv, env } = commandLine(last, port, values);
          const { stdout, stderr } = await runCommand(argv, { env });
          expect(stderr).to.equal("");
          expect(normal(stdout)).to.equal(normal(text));
        } else {
          expect(kind).to.equal("text log");
          await server.lines(text.split("\n").map(logPattern));
        }
        if (kind.startsWith("text")) compared.push(kind);
      }
      expect(compared).to.include.members(["text console", "text doctor", "text log"]);
    });
  }

  it("has the inspector where it says", async () => {
    const [, address = ""] = /<(http:\S+)>/.exec(section(PAGE, "Where to look")) ?? [];
    const { port } = await started();
    const page = await fetch(address.replace(":4000", `:${port}`));
    expect(page.status).to.equal(200);
    expect(await page.text()).to.include("<title>Inspector");
  });

  it("names faults that the doctor knows", () => {
    for (const [heading] of PROBLEMS) {
      for (const { doctor: cell = "" } of rows(section(PAGE, heading), "reason")) {
        expect(Object.keys(FAULTS)).to.include(code(cell));
      }
    }
    expect(Object.keys(FAULTS)).to.have.length.within(75, 89);
  });

  describe("the reasons of refused tokens and scopes", () => {
    const now = Math.floor(Date.now() / 1_000);
    class Guarded extends DocumentChannel {
      override authorize({ user }: { user: { id: string } }) {
        return user.id === "eve" ? error({ message: "eve isn't a member" }) : ok();
      }
    }
    const cases: [reason: string, fault: FaultId, given: string, topic?: string][] = [
      ["token_expired", "token_expired", token({ iat: now - 60, exp: now - 30 })],
      ["token_expired", "token_not_yet_valid", token({ nbf: now + 600 })],
      ["invalid_signature", "token_wrong_secret", sign(claims(), `${SECRET}\n`)],
      ["invalid_signature", "token_wrong_algorithm", sign(claims(), SECRET, "HS384")],
      ["malformed_token", "token_malformed", `Bearer ${token()}`],
      ["missing_claims", "token_missing_claims", token({ scopes: undefined })],
      ["wrong_tenant", "token_other_tenant", token({ tenantId: "other" })],
      ["wrong_document", "token_other_document", token({ documentId: "doc-2" })],
      ["unknown_tenant", "tenant_unknown", token({ tenantId: "nobody" }), `document:nobody:${DOCUMENT}`],
      ["missing_scope", "scope_missing", token({ scopes: ["doc:read"] })],
      ["unauthorized", "authorization_refused", token({ user: { id: "eve" } })],
    ];

    for (const [reason, fault, given, topic = TOPIC] of cases) {
      it(`${reason}, which the doctor calls ${fault}`, async () => {
        const { mount, port, endpoint, lines } = await serveDocuments(Guarded);
        const [, tenantId, id] = topic.split(":");
        const channel = connectClient(port).channel(topic);
        await answer(channel.join());
        const asked = { tenantId, id, token: given, mode: "write" };
        const refused = await answer(channel.push("connect_document", asked));
        expect(refused).to.have.nested.property("response.reason", reason);
        // The reason is all that the inspector has: of those that share one, it takes the likeliest.
        const likeliest = cases.find(([shared]) => shared === reason)?.[1];
        const { details } = lines.find(({ message }) => message.startsWith("HANDLED connect_document")) ?? {};
        const { failure } = endpoint.explain(String(details?.id)) ?? {};
        expect(failure && adviceOf(failure)?.fault).to.equal(likeliest);
        await expectFault(fault, "connect_document", [mount, "--topic", topic, "--token", given]);
      });
    }

    it("read_only, which comes at submitOp", async () => {
      const { mount, port } = await serveDocuments();
      const given = token({ scopes: ["doc:read"] });
      const { channel } = await connected(connectClient(port), given);
      const refused = await answer(channel.push("submitOp", { type: "op", contents: {} }));
      expect(refused).to.have.nested.property("response.reason", "read_only");
      const argv = [mount, "--topic", TOPIC, "--token", given, "--mode", "read"];
      await expectFault("read_only", "submitOp", argv);
    });

    it("are those of the page", () => {
      const listed = ["Token refused", "Scope errors"].flatMap((heading) =>
        rows(section(PAGE, heading), "reason").map((row) => `${code(row.reason)} ${code(row.doctor)}`),
      );
      const tried = cases.map(([reason, fault]) => `${reason} ${fault}`);
      expect(listed).to.have.members([...tried, "read_only read_only"]);
    });
  });

  describe("the causes of messages that aren't received", () => {
    /** A room whose handler of "new_msg" does that. */
    function room(handle: (this: Channel, payload: Payload) => void) {
      class Room extends Channel {
        static override intercepts = ["dropped"];
        override join() {
          return ok();
        }
        override handleIn(_event: string, payload: Payload) {
          handle.call(this, payload);
          return ok();
        }
        override handleOut() {}
      }
      return Room;
    }

    /** Runs the doctor against the room, with a trace of it. */
    async function examined(handle: (this: Channel, payload: Payload) => void, expected = "new_msg") {
      const channel = room(handle);
      class UserSocket extends ServerSocket {
        static override channels = { "room:*": channel };
      }
      const { mount, endpoint } = await serve(UserSocket);
      const trace = endpoint.trace({ event: "new_msg" });
      const report = await doctor([
        ...[mount, "--topic", "room:lobby", "--push", "new_msg", "--expect", expected, "--timeout", "100"],
      ]);
      const sent = trace.take().flatMap((step): object[] => {
        if (step.step === "push") return [{ push: step.event }];
        if (step.step !== "broadcast") return [];
        return [{ broadcast: step.event, topic: step.topic, deliveries: { ...step.deliveries } }];
      });
      trace.close();
      return {
        fault: report.diagnosis?.fault ?? null,
        evidence: report.diagnosis?.evidence.join("\n"),
        sent,
      };
    }

    it("another name on both sides", async () => {
      const { fault, evidence, sent } = await examined(function (payload) {
        this.broadcast("new_message", payload);
      });
      expect(fault).to.equal("broadcast_missing");
      expect(evidence).to.include("new_message");
      expect(sent).to.deep.equal([
        { broadcast: "new_message", topic: "room:lobby", deliveries: { sent: 2 } },
      ]);
    });

    it("no broadcast", async () => {
      expect(await examined(() => {})).to.deep.include({ fault: "broadcast_missing", sent: [] });
    });

    it("handleOut", async () => {
      const { fault, sent } = await examined(function () {
        this.broadcast("dropped", {});
      }, "dropped");
      expect({ fault, sent }).to.deep.equal({
        fault: "broadcast_missing",
        sent: [{ broadcast: "dropped", topic: "room:lobby", deliveries: { intercepted: 2 } }],
      });
    });

    it("push", async () => {
      const { fault, sent } = await examined(function (payload) {
        this.push("new_msg", payload);
      });
      expect({ fault, sent }).to.deep.equal({
        fault: "broadcast_not_subscribed",
        sent: [{ push: "new_msg" }],
      });
    });

    it("another topic", async () => {
      const { fault, sent } = await examined(function (payload) {
        this.endpoint.broadcast("room:Lobby", "new_msg", payload);
      });
      expect({ fault, sent }).to.deep.equal({
        fault: "broadcast_missing",
        sent: [{ broadcast: "new_msg", topic: "room:Lobby", deliveries: {} }],
      });
    });

    it("broadcastFrom", async () => {
      const { fault, sent } = await examined(function (payload) {
        this.broadcastFrom("new_msg", payload);
      });
      expect({ fault, sent }).to.deep.equal({
        fault: null,
        sent: [{ broadcast: "new_msg", topic: "room:lobby", deliveries: { sender: 1, sent: 1 } }],
      });
    });
  });

  it("Try it on the examples: its commands do what they say, on the server of npm start", async function () {
    this.timeout(30_000);
    const dataDir = await workshop();
    const child = spawn(process.execPath, ["--import", "tsx", "examples/server.ts"], {
      cwd: ROOT,
      env: { ...process.env, PORT: "0", DATA_DIR: dataDir },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const exited = once(child, "exit");
    afterTest(async () => {
      child.kill("SIGKILL");
      await exited;
    });
    const port = await new Running(child).port();
    const text = blocks(PAGE, "Try it on the examples")
      .map((block) => block.text)
      .join("\n");
    const variables = new Map(
      [...text.matchAll(/^(?:export )?(\w+)=([^…\n]+)$/gm)].map(([, k = "", v = ""]) => [k, v]),
    );
    const env: Record<string, string> = {};
    const give = (name: string, value = variables.get(name)) => {
      expect(text).to.match(new RegExp(`export ${name}=`));
      env[name] = value ?? "";
    };
    give("PHOENIX_CHANNELS_AUTH_TOKEN");
    const commands = text
      .replaceAll("\\\n", " ")
      .split("\n")
      .filter((line) => line.startsWith("npx "));
    const printed: string[] = [];
    for (const command of commands) {
      if (command.includes("$ID")) {
        const { response } = JSON.parse(printed.at(-1) ?? "");
        variables.set("ID", response.id);
        const body = variables.get("TOKEN_REQUEST")?.replaceAll("'", "").replace("$ID", response.id);
        const [, path = ""] = /curl http:\/\/127\.0\.0\.1:4000(\S+)/.exec(text) ?? [];
        const headers = { Authorization: `Bearer ${env.PHOENIX_CHANNELS_AUTH_TOKEN}` };
        const answered = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", headers, body });
        give("PHOENIX_CHANNELS_TOKEN", ((await answered.json()) as { token: string }).token);
      }
      const { argv } = commandLine(command.replaceAll("$ID", variables.get("ID") ?? ""), port, variables);
      const { code: exit, stdout, stderr } = await runCommand(argv, { env });
      expect({ exit, stderr }, `${command}\n${stdout}`).to.deep.equal({ exit: 0, stderr: "" });
      printed.push(stdout);
    }
    expect(printed).to.have.length(5);
    for (const i of [2, 4]) expect(printed[i]).to.match(/✓ broadcast/);
  });

  describe("sessions that are gone", () => {
    it("the official client joins again after registry.stop, and isn't connected", async () => {
      const { port, documents, endpoint, lines } = await serveDocuments();
      const { channel, joined } = await connected(connectClient(port), token());
      const { errors } = ends(channel);
      await documents.registry.stop(TENANT, DOCUMENT);
      await errors.next();
      await joined.next();
      const refused = await answer(channel.push("submitOp", { type: "op", contents: {} }));
      expect(refused).to.have.nested.property("response.reason", "not_authenticated");
      const { details } = lines.find(({ message }) => message.startsWith("HANDLED submitOp")) ?? {};
      const { failure } = endpoint.explain(String(details?.id)) ?? {};
      expect(failure).to.include({
        step: "denied",
        code: "not_authenticated",
        event: "submitOp",
        topic: TOPIC,
      });
    });

    it("an id of before is answered client_mismatch", async () => {
      const { port, documents } = await serveDocuments();
      const socket = connectClient(port);
      const { channel, clientId, joined } = await connected(socket, token());
      await documents.registry.stop(TENANT, DOCUMENT);
      await joined.next();
      const again = await connectDocument(channel, token());
      expect(again).to.be.a("string").and.not.equal(clientId);
      const refused = await answer(channel.push("submitOp", { clientId, type: "op", contents: {} }));
      expect(refused).to.have.nested.property("response.reason", "client_mismatch");
    });

    it("a message behind the end is answered unmatched topic, and explained by the crash", async () => {
      class Crashing extends DocumentChannel {
        override beforeOps(): never {
          throw new Error("no text");
        }
      }
      const { port, endpoint, lines } = await serveDocuments(Crashing);
      const { channel } = await connected(connectClient(port), token());
      channel.push("submitOp", { type: "op", contents: {} });
      const late = await answer(channel.push("requestOps", { from: 0 }));
      expect(late).to.have.nested.property("response.reason", "unmatched topic");
      const crash = lines.find(({ message }) => message.startsWith("handleIn crashed"));
      const explained = endpoint.explain(String(crash?.details.id));
      expect(explained?.failure).to.include({ step: "crashed", code: "handleIn", event: "submitOp" });
    });

    it("the registry has none for a document that nobody has open, until it is asked to start one", async () => {
      const { registry } = (await serveDocuments()).documents;
      expect(registry.lookup(TENANT, DOCUMENT)).to.equal(undefined);
      const session = await registry.startOrGet(TENANT, DOCUMENT);
      expect(registry.lookup(TENANT, DOCUMENT)).to.equal(session);
    });

    it("resync answers a client that is ahead of the document", async () => {
      const { port } = await serveDocuments();
      const channel = connectClient(port).channel(TOPIC);
      await answer(channel.join());
      const asked = { tenantId: TENANT, id: DOCUMENT, token: token(), lastSeenSequenceNumber: 1_000 };
      const refused = await answer(channel.push("connect_document", asked));
      expect(refused).to.have.nested.property("response.reason", "resync");
    });
  });
});

/** A client of the document, and each time that it joins from now on. */
async function connected(socket: Socket, given: string) {
  const channel = socket.channel(TOPIC);
  const joined = joins(channel.join());
  await joined.next();
  return { channel, joined, clientId: await connectDocument(channel, given) };
}

async function connectDocument(channel: ReturnType<Socket["channel"]>, given: string): Promise<string> {
  const asked = { tenantId: TENANT, id: DOCUMENT, token: given };
  const { status, response } = await answer(channel.push("connect_document", asked));
  expect(status).to.equal("ok");
  return (response as { clientId: string }).clientId;
}

import { expect } from "chai";
import { shortened } from "../../../lib/debug/redact.ts";
import { Channel, error, ok, Socket } from "../../../lib/index.ts";
import { serve } from "../../support/server.ts";
import { claims, SECRET, sign, TOPIC, token } from "../support/documents.ts";
import { handServer } from "../support/hand-server.ts";
import { listenHttp } from "../support/listen.ts";
import { type Ran, run } from "../support/run.ts";

/** Fails if a secret, or a part that would do in its place, is among what was printed. */
function expectHidden({ stdout, stderr }: Ran, ...secrets: readonly string[]): void {
  const printed = stdout + stderr;
  for (const secret of secrets) {
    expect(printed).to.not.include(secret);
    expect(printed).to.not.include(encodeURIComponent(secret));
    expect(printed).to.not.include(Buffer.from(secret).toString("base64url"));
    const signature = secret.split(".")[2];
    if (signature !== undefined) expect(printed).to.not.include(signature);
  }
}

/** A server that repeats whatever it is told. */
const parrot = () =>
  handServer(({ event, reply, payload, push }) => {
    if (event !== "connect_document") return false;
    push("told", { again: payload.token, inside: `<${payload.token}>` });
    reply("error", { code: 401, message: `no: ${payload.token}`, given: payload });
    return true;
  });

describe("tokens and secrets", () => {
  const given = token();

  it("are never printed whole, whatever the server repeats", async () => {
    const { url } = await parrot();
    for (const more of [[], ["--json"], ["--trace"], ["--json", "--trace"]]) {
      const ran = await run(["doctor", url, "-t", TOPIC, "--token", given, "--secret", SECRET, ...more]);
      expect(ran.code).to.be.greaterThan(0);
      expectHidden(ran, given, SECRET);
      expect(ran.stdout).to.include(shortened(given));
    }
    expectHidden(await run(["tap", url, "-t", TOPIC, "--token", given, "--secret", SECRET]), given, SECRET);
    const json = ["tap", url, "-t", TOPIC, "--token", given, "--secret", SECRET, "--json"];
    expectHidden(await run(json), given, SECRET);
    expectHidden(await run(["send", url, "x", "-t", TOPIC, "--token", given]), given);
  });

  it("that are no JWTs aren't printed in part where something is cut", async () => {
    const opaque = "an opaque token of forty characters, 123";
    for (let length = 360; length < 420; length += 7) {
      const { url } = await handServer(({ event, reply }) => {
        if (event === "connect_document") reply("error", { code: 401, m: `${" ".repeat(length)}${opaque}` });
        return event === "connect_document";
      });
      const { stdout } = await run(["doctor", url, "-t", TOPIC, "--token", opaque]);
      expect(stdout).to.include("token_malformed").and.not.include(opaque.slice(0, 12));
    }
  });

  it("aren't printed in part where something is cut", async () => {
    for (const length of [300, 450, 1_900, 16_300]) {
      const { url } = await handServer(({ event, reply, ws, payload }) => {
        if (event === "connect_document")
          reply("error", { message: `${" ".repeat(length)}${payload.token}` });
        if (event === "x") ws.send(`${" ".repeat(length)}${given}`);
        return event === "connect_document" || event === "x";
      });
      const half = given.slice(0, given.length / 2);
      for (const more of [[], ["--json"], ["--trace"]]) {
        const ran = await run(["doctor", url, "-t", TOPIC, "--token", given, ...more]);
        expect(ran.stdout).to.not.include(half.slice(0, 20));
      }
      const ran = await run(["send", url, "x", "-t", "room:a"]);
      expect(ran.stderr).to.include("not_phoenix").and.not.include(half.slice(0, 20));
    }
  });

  it("are hidden in addresses, headers and subprotocols", async () => {
    const { url } = await listenHttp((request, response) =>
      response
        .writeHead(302, { Location: `/login?from=${encodeURIComponent(request.url ?? "")}` })
        .end(JSON.stringify(request.headers)),
    );
    const address = url.replace("ws://", "ws://user:a-password@");
    const argv = [`${address}?api_key=key-in-the-url`, "--token", given, "--token-as", "param,auth-token"];
    argv.push("--param", "password=param-password", "--header", "Cookie: session=in-a-cookie");
    const ran = await run(["doctor", ...argv]);
    expect(ran.stdout).to.include("redirected");
    expectHidden(ran, given, "a-password", "key-in-the-url", "param-password", "session=in-a-cookie");
  });

  it("are hidden where only a part of what was given is repeated", async () => {
    const { url } = await listenHttp((request, response) => {
      const basic = request.headers.authorization ?? "none";
      const said = `no ticket-of-ada, pass-of-ada, word-of-ada, ${basic}, ${given.split(".")[2]}`;
      response.writeHead(302, { Location: `/login?why=${said}` }).end();
    });
    const argv = ["doctor", `${url.replace("ws://", "ws://ada:pass-of-ada@")}`, "--token", given];
    argv.push("--header", "X-Auth: Bearer ticket-of-ada", "--header", "Cookie: word=word-of-ada; path=x");
    const ran = await run(argv);
    expect(ran.stdout).to.include("redirected");
    expectHidden(ran, given, "ticket-of-ada", "pass-of-ada", "word-of-ada", "YWRhOnBhc3Mtb2YtYWRh");
  });

  it("in payloads are hidden where a server repeats them", async () => {
    const { url } = await handServer(({ event, reply, payload }) => {
      const { deep } = payload as { deep?: { password?: string } };
      if (deep === undefined) return false;
      reply("error", { reason: `${event}: no ${deep.password}` });
      return true;
    });
    const payload = JSON.stringify({ deep: { password: "open, sesame" } });
    const at = [url, "-t", "room:a"];
    for (const argv of [
      ["doctor", ...at, "--join", payload],
      ["doctor", ...at, "--push", "x", payload, "--json", "--trace"],
      ["send", url, "x", payload, "-t", "room:a"],
    ]) {
      const ran = await run(argv);
      expect(ran.stdout + ran.stderr).to.include(": no … (12 characters)");
      expectHidden(ran, "open, sesame");
    }
  });

  it("are hidden where they are percent-encoded", async () => {
    const odd = "a token/with+signs & more";
    const { url } = await listenHttp((request, response) =>
      response.writeHead(302, { Location: `/login${request.url}&${new URLSearchParams({ odd })}` }).end(),
    );
    const ran = await run(["doctor", url, "--token", odd]);
    expect(ran.stdout).to.include("/login/socket/websocket?token=");
    expectHidden(ran, odd, "a+token");
  });

  it("of others are hidden, too", async () => {
    const other = sign(claims({ user: { id: "eve" } }), "a secret that the doctor has never heard of");
    const { url } = await handServer(({ event, push, reply }) => {
      if (event !== "phx_join") return false;
      reply("ok", { token: "opaque", nested: [{ api_secret: "hush" }], resume: { key: "of-a-client" } });
      push("leak", { text: `the token is ${other}.` });
      return true;
    });
    const ran = await run(["tap", url, "-t", "room:a", "-n", "1"]);
    expect(ran.stdout).to.include("leak").and.include(shortened(other));
    expectHidden(ran, other, "opaque", "hush", "of-a-client");
  });

  it("may come from the environment", async () => {
    const { url } = await parrot();
    const env = { PHOENIX_CHANNELS_TOKEN: given, PHOENIX_CHANNELS_SECRET: SECRET };
    const ran = await run(["doctor", url, "-t", TOPIC], { env });
    // The signature was checked, so both have arrived.
    expect(ran.stdout).to.include("token_refused");
    expectHidden(ran, given, SECRET);
  });

  it("may come from the standard input, the token first", async () => {
    const stdin = `${given}\n${SECRET}\n`;
    const ran = await run(["decode", "-", "--secret", "-"], { stdin });
    expect(ran).to.include({ code: 0, stderr: "" });
    expect(ran.stdout).to.include("valid: it is signed");
    expectHidden(ran, given, SECRET);
    const missing = await run(["decode", "-", "--secret", "-"], { stdin: given });
    expect(missing).to.include({ code: 64, stdout: "", stderr: "error: the standard input has no secret\n" });
  });

  it("are in no complaint about the command line", async () => {
    const cases = [
      ["doctor", "ws://127.0.0.1:9/socket", `--tokn=${given}`],
      ["doctor", "ws://127.0.0.1:9/socket", "--secert=a-weak-secret\nof two lines"],
      ["doctor", "ws://127.0.0.1:9/socket", "--token", given, "--join", `{"token": ${given}}`],
      ["doctor", "ws://127.0.0.1:9/socket", "--token", given, "--token-as", given],
      ["doctor", "ws://127.0.0.1:9/socket", "--auth-token", given, "--token-as", "auth-token"],
      ["doctor", "ws://127.0.0.1:9/socket", "--timeout", given, "--auth-token", "a-weak-secret"],
      ["doctor", "ws://127.0.0.1:9/socket", "--auth-tokn=a-weak-secret"],
      ["doctor", "ws://127.0.0.1:9/socket", "--timeout", "a-weak-secret"],
      ["doctor", "ws://127.0.0.1:9/socket", "--mode", "a-weak-secret"],
      ["doctor", given],
      ["decode", given, "--topic", given],
      ["send", "ws://127.0.0.1:9/socket", "x", given, "-t", "room:a"],
    ];
    for (const argv of cases) {
      const ran = await run(argv);
      expect(ran, argv.join(" ")).to.include({ code: 64, stdout: "" });
      expect(ran.stderr).to.match(/^error: /);
      expectHidden(ran, given, "a-weak-secret", "of two lines");
    }
  });

  it("that are short don't spoil what the doctor says of itself", async () => {
    class Guarded extends Socket {
      override connect() {
        return error();
      }
    }
    const { mount } = await serve(Guarded);
    const ran = await run(["doctor", mount, "--token", "refuses"]);
    expect(ran.stdout).to.include("the app's `connect` refuses: a token or param is missing");
  });

  it("of the connection and of the document may be two", async () => {
    const seen: unknown[] = [];
    class Echo extends Channel {
      override join() {
        return ok();
      }
      override handleIn(_event: string, payload: unknown) {
        seen.push((payload as { token: string }).token);
        return error({ code: 401, message: `${given} and ${own}` });
      }
    }
    class UserSocket extends Socket {
      static override channels = { "document:*": Echo };
      override connect(_params: object, { authToken }: { authToken: string | null }) {
        seen.push(authToken);
        return ok();
      }
    }
    const own = "the token of the connection";
    const { mount } = await serve(UserSocket, { authToken: true });
    const argv = ["doctor", mount, "-t", TOPIC];
    const runs = [
      await run([...argv, "--token", given, "--auth-token", own]),
      await run(argv, { env: { PHOENIX_CHANNELS_TOKEN: given, PHOENIX_CHANNELS_AUTH_TOKEN: own } }),
      await run([...argv, "--token", "-", "--auth-token", "-"], { stdin: `${given}\n${own}\n` }),
    ];
    for (const ran of runs) {
      expect(ran.stdout).to.include(`${shortened(given)} and ${shortened(own)}`);
      expectHidden(ran, given, own);
    }
    expect(seen).to.deep.equal([own, given, own, given, own, given]);
  });

  it("travel where --token-as says", async () => {
    const seen: Record<string, unknown> = {};
    class Room extends Channel {
      override join(_topic: string, payload: unknown) {
        seen.join = payload;
        return ok();
      }
    }
    class UserSocket extends Socket {
      static override channels = { "room:*": Room };
      override connect(params: object, { authToken }: { authToken: string | null }) {
        seen.params = { ...params };
        seen.authToken = authToken;
        return ok();
      }
    }
    const { mount } = await serve(UserSocket, { authToken: true });
    const argv = ["doctor", mount, "-t", "room:a", "--token", given];
    const all = [...argv, "--join", '{"a":1}', "--token-as", "param", "--token-as", "auth-token,join"];
    expect((await run(all)).code).to.equal(0);
    const vsn = "2.0.0";
    expect(seen).to.deep.equal({
      params: { token: given, vsn },
      authToken: given,
      join: { token: given, a: 1 },
    });
    // By default into the params.
    expect((await run(argv)).code).to.equal(0);
    expect(seen).to.deep.equal({ params: { token: given, vsn }, authToken: null, join: {} });
  });
});

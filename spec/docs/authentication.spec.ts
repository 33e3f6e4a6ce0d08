import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import type { SocketClass } from "../../lib/index.ts";
import { connect, refused } from "../support/client.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { afterTest } from "../support/teardown.ts";
import { example } from "./markdown.ts";
import { workshop } from "./workshop.ts";

type Library = typeof import("../../lib/index.ts");

interface Example {
  readonly UserSocket: SocketClass;
  sign(claims: { sub: string; exp: number }): string;
}

/** Serves the example's sockets, beside the built library, on a clock that stands still. */
async function serveExample() {
  const directory = await workshop();
  const load = async (name: string, program: string): Promise<unknown> => {
    await writeFile(join(directory, name), program);
    return import(pathToFileURL(join(directory, name)).href);
  };
  const { UserSocket, sign } = (await load(
    "tokens.mjs",
    example("docs/authentication.md", "tokens.mjs"),
  )) as Example;
  const library = (await load("library.mjs", 'export * from "phoenix-channels-server";')) as Library;
  const clock = new ManualClock();
  // The example compares with the system's time.
  const now = Math.ceil(Date.now() / 1000);
  clock.advance(now * 1000);
  const endpoint = new library.Endpoint({ clock });
  endpoint.socket("/socket", UserSocket);
  const { port } = await endpoint.listen(0, "127.0.0.1");
  afterTest(() => endpoint.close({ timeoutMs: 0 }));
  /** A token that expires in so many seconds. */
  const token = (sub: string, seconds: number) => sign({ sub, exp: now + seconds });
  return { clock, url: `ws://127.0.0.1:${port}/socket/websocket`, token };
}

describe("the example in docs/authentication.md", function () {
  this.timeout(60_000);

  it("tokens.mjs: a token is renewed before it expires, by its own user only", async () => {
    const { clock, url, token } = await serveExample();
    const client = await connect(url, `vsn=2.0.0&token=${token("ada", 20)}`);
    expect((await client.join("room:lobby"))[4].response).to.deep.equal({ you: "ada" });
    clock.advance(10_000);
    expect(await client.next()).to.deep.equal([
      "1",
      null,
      "room:lobby",
      "token_expiring",
      { expires_in: 10 },
    ]);
    const refresh = async (ref: string, fresh: string) =>
      (await client.ask("1", ref, "room:lobby", "access_token", { token: fresh }))[4];
    for (const wrong of [token("bob", 50), "nonsense", `${token("ada", 50)}x`, token("ada", -1)]) {
      expect(await refresh("2", wrong)).to.deep.equal({
        status: "error",
        response: { reason: "unauthorized" },
      });
    }
    expect(await refresh("3", token("ada", 40))).to.deep.equal({ status: "ok", response: {} });
    clock.advance(15_000);
    expect(await client.next()).to.deep.equal([
      "1",
      null,
      "room:lobby",
      "token_expiring",
      { expires_in: 15 },
    ]);
    clock.advance(15_000);
    expect(await client.closed).to.deep.equal({ code: 1001, reason: "token expired" });
  });

  it("tokens.mjs: refuses a token that has expired, is forged, or isn't there", async () => {
    const { url, token } = await serveExample();
    const [body = ""] = token("ada", 50).split(".");
    for (const wrong of [
      token("ada", -5),
      `${body}.${"x".repeat(43)}`,
      `${body}.${"é".repeat(43)}`,
      body,
      "",
    ]) {
      expect((await refused(url, `vsn=2.0.0&token=${encodeURIComponent(wrong)}`)).status).to.equal(403);
    }
    expect((await refused(url)).status).to.equal(403);
  });
});

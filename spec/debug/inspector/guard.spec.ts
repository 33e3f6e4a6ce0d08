import type { IncomingMessage } from "node:http";
import { expect } from "chai";
import { refusal } from "../../../lib/debug/inspector/guard.ts";
import { Endpoint } from "../../../lib/index.ts";
import { connect, refused } from "../../support/client.ts";
import { HttpClient } from "../../support/http-client.ts";
import { Looker, serveInspected } from "./looking.ts";

describe("who may see the inspector", () => {
  /** What a request gets: by the page's way and by the socket's. */
  async function asks(headers: Record<string, string>, inspect?: Parameters<typeof serveInspected>[0]) {
    const { port, socket, lines } = await serveInspected(inspect);
    const page = await new HttpClient(port).ask({ path: "/inspector/", headers }).answer;
    return { page, socket, lines, headers };
  }

  it("is whoever comes from this machine, by a name of it", async () => {
    for (const host of ["localhost:4000", "app.localhost", "127.0.0.1", "127.1.2.3:80", "[::1]:4000"]) {
      const { page, socket, headers } = await asks({ host });
      expect(page.status, host).to.equal(200);
      await Looker.open(socket);
      const ws = await connect(socket, "vsn=2.0.0", { headers });
      expect((await ws.join("inspector"))[4].status, host).to.equal("ok");
    }
  });

  it("is nobody who comes by another name, as pages do whose name was made to lead here", async () => {
    for (const host of ["evil.example", "localhost.evil.example", "192.168.0.7:4000", "not a host"]) {
      const { page, socket, headers } = await asks({ host });
      expect(page.status, host).to.equal(403);
      expect(page.text).to.include("localhost and 127.0.0.1 only");
      expect((await refused(socket, "vsn=2.0.0", { headers })).status, host).to.equal(403);
    }
  });

  it("is nobody who comes from another machine", async () => {
    const from = (remoteAddress: string | undefined) =>
      refusal({ socket: { remoteAddress }, headers: { host: "localhost" } } as IncomingMessage, null);
    for (const address of ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"]) {
      expect(await from(address), address).to.equal(null);
    }
    for (const address of ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "128.0.0.1", "1127.0.0.1", undefined]) {
      expect(await from(address), String(address)).to.include("this machine only");
    }
  });

  it("is nobody behind a proxy that says so: all its clients seem to come from here", async () => {
    for (const name of ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "X-Forwarded-Host"]) {
      const { page, socket, headers } = await asks({ [name]: "for=10.0.0.1" });
      expect(page.status, name).to.equal(403);
      expect(page.text).to.include("mount the inspector with authorize");
      expect((await refused(socket, "vsn=2.0.0", { headers })).status, name).to.equal(403);
    }
  });

  it("is decided by authorize alone, if there is one", async () => {
    const authorize = (request: IncomingMessage) => request.headers.cookie === "admin=1";
    const cookie = { cookie: "admin=1", host: "app.example", "x-forwarded-for": "10.0.0.1" };
    const yes = await asks(cookie, { authorize });
    expect(yes.page.status).to.equal(200);
    await connect(yes.socket, "vsn=2.0.0", { headers: cookie });
    const no = await asks({ cookie: "admin=0" }, { authorize });
    expect(no.page.status).to.equal(403);
    expect((await refused(no.socket)).status).to.equal(403);
  });

  it("may be decided later", async () => {
    const { page } = await asks({}, { authorize: async () => true });
    expect(page.status).to.equal(200);
    expect((await asks({}, { authorize: async () => false })).page.status).to.equal(403);
  });

  it("is nobody if authorize throws, or returns what is neither true nor false", async () => {
    for (const authorize of [
      () => {
        throw new Error("no database");
      },
      async () => ({ user: "ada" }) as never,
      () => undefined as never,
    ]) {
      const { page, socket, lines } = await asks({}, { authorize });
      expect(page.status).to.equal(500);
      expect(page.text).not.to.include("database");
      expect((await refused(socket)).status).to.equal(500);
      expect(lines.filter(({ level }) => level === "error")).to.have.length(2);
    }
  });

  it("isn't asked of pages from elsewhere: their sockets are refused by their origin", async () => {
    const { socket } = await serveInspected({ authorize: () => true });
    expect((await refused(socket, "vsn=2.0.0", { origin: "http://evil.example" })).status).to.equal(403);
  });
});

describe("the inspector's page", () => {
  it("is served with all it needs, and with a policy that lets nothing else in", async () => {
    const { port } = await serveInspected();
    const http = new HttpClient(port);
    const { text, headers } = await http.ask({ path: "/inspector/" }).answer;
    const policy = String(headers["content-security-policy"]);
    expect(policy).to.include("default-src 'none'").and.include("script-src 'self'");
    expect(policy).to.include("frame-ancestors 'none'").and.include("base-uri 'none'");
    expect(policy).not.to.match(/unsafe|https?:|\*/);
    const files = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] as string);
    expect(files).to.include("app.js");
    const seen = new Set<string>();
    for (const file of files) {
      if (seen.has(file)) continue;
      seen.add(file);
      const answer = await http.ask({ path: `/inspector/${file}` }).answer;
      expect(answer.status, file).to.equal(200);
      expect(answer.headers["content-security-policy"], file).to.equal(policy);
      expect(answer.headers["x-content-type-options"]).to.equal("nosniff");
      if (file.endsWith("js"))
        expect(answer.headers["content-type"]).to.equal("text/javascript; charset=utf-8");
      for (const [, name = ""] of answer.text.matchAll(/^import .* from "\.\/([\w.-]+)";$/gm))
        files.push(name);
    }
    expect([...seen]).to.include("phoenix.mjs");
  });

  it("is behind a slash, to which its address without one leads, also past a proxy's prefix", async () => {
    const { port } = await serveInspected();
    const { status, headers } = await new HttpClient(port).ask({ path: "/inspector" }).answer;
    expect([status, headers.location]).to.deep.equal([308, "inspector/"]);
  });

  it("is all there is: no other file, no other method, nothing without permission", async () => {
    const { port } = await serveInspected();
    const http = new HttpClient(port);
    for (const path of [
      "/inspector/../package.json",
      "/inspector/%2e%2e/assets.ts",
      "/inspector/nothing.js",
    ]) {
      expect((await http.ask({ path }).answer).status, path).to.equal(404);
    }
    expect((await http.ask({ path: "/inspector/app.js", method: "POST" }).answer).status).to.equal(405);
    expect(
      (await http.ask({ path: "/inspector/app.js", headers: { host: "evil.example" } }).answer).status,
    ).to.equal(403);
    expect((await http.ask({ path: "/inspectors" }).answer).status).to.equal(404);
    expect((await http.ask({ path: "/inspector/socket/websocket" }).answer).status).to.equal(400);
  });

  it("is nowhere unless it is mounted", async () => {
    const endpoint = new Endpoint();
    const { port } = await endpoint.listen(0, "127.0.0.1");
    const { status } = await new HttpClient(port).ask({ path: "/inspector/" }).answer;
    await endpoint.close();
    expect(status).to.equal(404);
  });
});

describe("endpoint.inspect", () => {
  it("takes a path of its own, once, and nothing but authorize", () => {
    const endpoint = new Endpoint();
    endpoint.inspect("/inspector/");
    const wrong: [path: unknown, options: unknown, message: RegExp][] = [
      ["inspector", undefined, /begins with a slash, as "\/inspector"; got "inspector"/],
      ["/", undefined, /a path of its own/],
      ["/:tenant/inspector", undefined, /without params/],
      ["/inspector", undefined, /mounted at \/inspector already/],
      ["/other", { authorise: () => true }, /inspect has no option "authorise"; it has authorize/],
      ["/other", { authorize: true }, /inspect: authorize must be a function, got true/],
    ];
    for (const [path, options, message] of wrong) {
      expect(() => endpoint.inspect(path as string, options as never)).to.throw(message);
    }
  });

  it("is refused when the endpoint is closed", async () => {
    const endpoint = new Endpoint();
    await endpoint.close();
    expect(() => endpoint.inspect("/inspector")).to.throw(/inspect: the endpoint is closed/);
  });
});

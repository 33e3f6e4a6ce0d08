import { once } from "node:events";
import { createServer, request as forward } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { afterTest } from "../support/teardown.ts";
import { useStage } from "./stage.ts";

interface Proxy {
  readonly url: string;
  /** The paths asked for so far. */
  readonly paths: Set<string>;
}

/** Passes requests on, as some networks do, but without what would make them WebSockets. */
async function blockWebSockets(port: number): Promise<Proxy> {
  const paths = new Set<string>();
  const server = createServer((request, response) => {
    const { method, url = "" } = request;
    const { connection: _, upgrade: __, ...headers } = request.headers;
    paths.add(url.replace(/\?.*/, ""));
    const passed = forward({ host: "127.0.0.1", port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    passed.on("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
    response.on("close", () => passed.destroy());
    request.pipe(passed);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  afterTest(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/chat/`, paths };
}

describe("the chat where WebSockets are blocked, in Chromium", function () {
  this.timeout(60_000);
  const stage = useStage();
  const { visit } = stage;

  it("works by long-polling, together with those who have WebSockets", async () => {
    const { url, paths } = await blockWebSockets(stage.chat.port);
    const [ada, ben, cleo] = await Promise.all([visit("Ada", { url }), visit("Ben", { url }), visit("Cleo")]);
    await ada.say("one");
    await ben.say("two");
    await cleo.say("three");
    for (const person of [ada, ben, cleo]) await person.sees("one", "two", "three");
    await ada.meets("Ada (you)", "Ben", "Cleo");
    await cleo.meets("Cleo (you)", "Ada", "Ben");
    expect(paths).to.include.keys("/chat/socket/websocket", "/chat/socket/longpoll");

    await ben.composer.pressSequentially("hm");
    await ada.reads(ada.typing, "Ben is writing");
    const second = await ada.openTab();
    await cleo.meets("Cleo (you)", "Ada 2 tabs", "Ben");
    // The server learns of this only when nobody polls any more. The tab is one nevertheless.
    await second.page.reload();
    await second.meets("Ada (you) 2 tabs", "Ben", "Cleo");
    await second.say("four");
    await cleo.sees("one", "two", "three", "four");
    await cleo.meets("Cleo (you)", "Ada 2 tabs", "Ben");
  });

  it("survives a restart of the server", async () => {
    const { url } = await blockWebSockets(stage.chat.port);
    const [ada, ben] = await Promise.all([visit("Ada", { url }), visit("Ben", { url })]);
    await ada.say("before");
    await stage.chat.close();
    for (const person of [ada, ben]) await person.is("offline");
    await ada.write("written offline");
    await ada.reads(ada.unsent, "Will be sent when you are connected again");

    await stage.restart();
    for (const person of [ada, ben]) await person.sees("before", "written offline");
    await ben.say("again");
    await ada.sees("before", "written offline", "again");
    await ada.meets("Ada (you)", "Ben");
    await ben.meets("Ben (you)", "Ada");
  });
});

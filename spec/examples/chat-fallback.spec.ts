import { expect } from "chai";
import { blockWebSockets } from "./proxy.ts";
import { useStage } from "./stage.ts";

describe("the chat where WebSockets are blocked, in Chromium", function () {
  this.timeout(60_000);
  const stage = useStage();
  const { visit } = stage;

  it("works by long-polling, together with those who have WebSockets", async () => {
    const { url: root, paths } = await blockWebSockets(stage.chat.port);
    const url = `${root}chat/`;
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
    const url = `${(await blockWebSockets(stage.chat.port)).url}chat/`;
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

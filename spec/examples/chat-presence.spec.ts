import { expect } from "chai";
import type { Person } from "./person.ts";
import { useStage } from "./stage.ts";

describe("who is in the chat, in Chromium", function () {
  this.timeout(60_000);
  const stage = useStage();
  const { visit, visits } = stage;

  const region = ({ page }: Person) => page.getByRole("region", { name: /^People/ });

  it("people see each other, each once, with the number of their tabs", async () => {
    const [ada, ben] = await visits("Ada", "Ben");
    await ada.meets("Ada (you)", "Ben");
    await ben.meets("Ben (you)", "Ada");

    const second = await ada.openTab();
    for (const tab of [ada, second]) await tab.meets("Ada (you) 2 tabs", "Ben");
    await ben.meets("Ben (you)", "Ada 2 tabs");
    expect((await region(ben).ariaSnapshot()).split("\n").map((line) => line.trim())).to.deep.equal([
      '- region "People 2":',
      '- heading "People 2" [level=2]',
      '- list "People 2":',
      "- listitem: Ben (you)",
      "- listitem: Ada 2 tabs",
    ]);
    expect(await ben.page.locator("#people .avatar").allTextContents()).to.deep.equal(["B", "A"]);
    expect(await ben.page.locator("#people .count:visible").allTextContents()).to.deep.equal(["2"]);

    await second.page.close();
    await ben.meets("Ben (you)", "Ada");
    await ada.page.goto("about:blank");
    await ben.meets("Ben (you)");
  });

  it("a tab that is reloaded is counted once, and one that is a copy of another too", async () => {
    const [ada, ben] = await visits("Ada", "Ben");
    const second = await ada.openTab();
    await ben.meets("Ben (you)", "Ada 2 tabs");
    await Promise.all([ada.page.reload(), second.page.reload()]);
    for (const tab of [ada, second]) await tab.meets("Ada (you) 2 tabs", "Ben");
    // What she says comes after all that was to be told of her before.
    await second.say("here again");
    await ben.sees("here again");
    await ben.meets("Ben (you)", "Ada 2 tabs");
    // What a page opens begins with a copy of its session storage.
    await second.page.getByRole("link", { name: "lobby" }).evaluate((link) => {
      link.setAttribute("target", "_blank");
      link.setAttribute("rel", "opener");
    });
    await second.page.getByRole("link", { name: "lobby" }).click();
    await ben.meets("Ben (you)", "Ada 3 tabs");
  });

  it("a new name, or a first one, shows at once", async () => {
    const [ada, nobody] = await Promise.all([visit("Ada"), visit(null)]);
    await ada.meets("Ada (you)");
    await nobody.nameYourself("Zoë Quinn");
    await ada.meets("Ada (you)", "Zoë Quinn");
    expect(await ada.page.locator("#people .avatar").allTextContents()).to.deep.equal(["A", "ZQ"]);

    const second = await ada.openTab();
    await second.page.getByRole("button", { name: "Change name" }).click();
    await second.nameYourself("Countess");
    for (const tab of [ada, second]) await tab.meets("Countess (you) 2 tabs", "Zoë Quinn");
    await nobody.meets("Zoë Quinn (you)", "Countess 2 tabs");
  });

  it("each room has its own people", async () => {
    const [ada, ben] = await Promise.all([visit("Ada"), visit("Ben", { url: `${stage.chat.url}#/random` })]);
    await ada.meets("Ada (you)");
    await ben.meets("Ben (you)");
    await ada.page.getByRole("link", { name: "random" }).click();
    await ada.meets("Ada (you)", "Ben");
    await ben.meets("Ben (you)", "Ada");
    await ada.page.getByRole("link", { name: "lobby" }).click();
    await ada.meets("Ada (you)");
  });

  it("on a narrow screen they stand in a row, which the keyboard scrolls if it is too long", async () => {
    const viewport = { width: 360, height: 640 };
    const [ada] = await Promise.all([
      visit("Ada", { viewport }),
      visit("B".repeat(40)),
      visit("C".repeat(40)),
    ]);
    await ada.meets("Ada (you)", "B".repeat(40), "C".repeat(40));
    const list = ada.page.locator("#people-list");
    expect(await list.getAttribute("tabindex")).to.equal("0");
    const [row, page] = [await list.boundingBox(), await ada.page.locator("main").boundingBox()];
    expect(row?.height).to.be.lessThan(60);
    expect(page?.width).to.equal(360);
    await list.press("End");
    await ada.page.setViewportSize({ width: 1280, height: 720 });
    await ada.page.locator("#people-list:not([tabindex])").waitFor();
  });

  it("everybody is there again after the server has restarted, in all their tabs and rooms", async () => {
    const [ada, ben] = await visits("Ada", "Ben");
    const tabs = [ada, await ada.openTab(), await ada.openTab(`${stage.chat.url}#/random`)];
    const [, second, third] = tabs as [Person, Person, Person];
    const polls: string[] = [];
    for (const { page } of [...tabs, ben]) {
      page.on("request", (request) => request.url().includes("longpoll") && polls.push(request.url()));
    }
    for (const tab of [ada, second]) await tab.meets("Ada (you) 2 tabs", "Ben");
    await third.meets("Ada (you)");

    const refused = ben.page.waitForEvent("console", (message) => message.text().includes("REFUSED"));
    await stage.chat.close();
    await refused;
    expect(await region(ben).getByRole("heading").textContent()).to.equal("People last known");
    await ben.reads(ben.page.locator("#people-list > li"), "Ben (you)");

    await stage.restart();
    for (const tab of [ada, second]) await tab.meets("Ada (you) 2 tabs", "Ben");
    await third.meets("Ada (you)");
    await ben.meets("Ben (you)", "Ada 2 tabs");
    await third.say("in another room");
    await ben.reads(ben.page.getByRole("link", { name: "random" }), "1 unread");
    await second.say("hello again");
    for (const person of [ada, second, ben]) await person.sees("hello again");
    // A server that is away is no reason to make do with less than a WebSocket.
    expect(polls).to.deep.equal([]);
  });
});

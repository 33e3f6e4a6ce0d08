import { expect } from "chai";
import { useDocumentsStage } from "./documents-stage.ts";
import { blockWebSockets } from "./proxy.ts";
import { Writer } from "./writer.ts";

describe("the page of a document, in Chromium", function () {
  this.timeout(60_000);
  const stage = useDocumentsStage();
  const { visit, visits } = stage;

  describe("without a mouse", () => {
    it("everything can be done", async () => {
      const ada = await Writer.visit(stage.browser(), { name: null, url: stage.host.url });
      const { keyboard } = ada.page;
      await ada.page.getByRole("button", { name: "Begin the first document" }).waitFor({ state: "hidden" });
      for (let i = 0; i < 3; i++) await keyboard.press("Tab");
      expect(await ada.focused.textContent()).to.match(/New document/);
      await keyboard.press("Enter");
      await ada.page.locator("#name:focus").waitFor();
      await keyboard.press("Enter");
      await ada.page.getByText("Please enter a name.").waitFor();
      await keyboard.type("Ada");
      await keyboard.press("Enter");
      await ada.page.locator("#title:focus").waitFor();
      await keyboard.type("Title");
      await keyboard.press("Enter");
      await keyboard.type("Text");
      await keyboard.press("Home");
      await keyboard.press("Backspace");
      await keyboard.type("!");
      await ada.is("saved");
      await ada.readsTitle("Title!");
      await ada.reads("Text");
      await keyboard.press("ArrowDown");
      await keyboard.type("> ");
      await ada.reads("> Text");

      await ada.is("saved");
      await keyboard.press("Control+s");
      await ada.page.locator("#announcement").getByText("Saved").waitFor();
      await ada.page.getByRole("button", { name: "History" }).focus();
      await keyboard.press("Enter");
      await ada.page.getByText("by 1 person").waitFor();
      await keyboard.press("Escape");
      expect(await ada.focused.getAttribute("aria-label")).to.equal("History");
    });

    it("on a narrow screen the documents open and close, and the focus goes along", async () => {
      const ada = await visit("Ada", { viewport: { width: 360, height: 640 } });
      const documents = ada.page.getByRole("navigation", { name: "Documents" });
      expect(await documents.isVisible()).to.equal(false);
      await ada.page.getByRole("button", { name: "Documents" }).focus();
      await ada.page.keyboard.press("Enter");
      await documents.waitFor();
      expect(await ada.focused.textContent()).to.equal("Untitled");
      await ada.page.keyboard.press("Escape");
      await documents.waitFor({ state: "hidden" });
      expect(await ada.focused.getAttribute("aria-label")).to.equal("Documents");
      expect(await ada.page.evaluate("document.documentElement.scrollWidth")).to.equal(360);
    });
  });

  it("shows a new name to everybody, and keeps what is written meanwhile", async () => {
    const [ada, ben] = await visits("Ada", "Ben");
    await ada.write("by Ada");
    await ada.page.getByRole("button", { name: "Change name" }).click();
    await ada.page.getByLabel("Name", { exact: true }).fill("Countess");
    await ada.page.keyboard.press("Enter");
    await ben.meets("Ben (you)", "Countess");
    await ada.is("saved");
    await ada.select(6);
    await ada.write("!");
    await ben.seesCursors("Countess 7");
    await ben.reads("by Ada!");
  });

  it("says when the connection is lost, and when it is back", async () => {
    const ada = await visit("Ada");
    await ada.write("before");
    const announcement = ada.page.locator("#announcement");
    await stage.restart(async () => {
      await ada.is("offline");
      await announcement.getByText("What you write is kept in this browser").waitFor();
      await ada.body.pressSequentially(", after");
      expect(await ada.page.locator("#status").textContent()).to.equal("Offline, edits kept");
      await ada.page.locator("#people.uncertain").waitFor();
    });
    await ada.is("saved");
    await announcement.getByText("Connected again. Everything is saved.").waitFor();
    expect(await ada.page.locator("#banner").isVisible()).to.equal(false);
    await ada.reads("before, after");
  });

  it("gets a new token before its own expires, and goes on", async () => {
    await stage.restart(undefined, { tokenLasts: 2 });
    const events: string[] = [];
    let renewed: () => void = () => {};
    const twice = new Promise<void>((resolve) => {
      renewed = () => events.filter((event) => event === "access_token").length === 2 && resolve();
    });
    const ada = await visit("Ada", {
      prepare: async (page) => {
        page.on("websocket", (socket) =>
          socket.on("framesent", ({ payload }) => {
            events.push(JSON.parse(String(payload))[3]);
            renewed();
          }),
        );
      },
    });
    // The second begins when the first token is over.
    await twice;
    await ada.write("still here");
    expect(events.filter((event) => event === "connect_document")).to.have.length(1);
  });

  it("says what can't be saved", async () => {
    const ada = await visit("Ada", {
      prepare: (page) =>
        page.routeWebSocket(/documents\/socket/, (client) => {
          client.connectToServer().onMessage((frame) => {
            client.send(String(frame).replace(/"maxMessageSize":\d+/g, '"maxMessageSize":1000'));
          });
        }),
    });
    await ada.write("small");
    await ada.body.fill("large".repeat(1000));
    await ada.is("failed");
    await ada.page.locator("#banner").getByText("too large to be saved").waitFor();
    await (await visit("Ben")).reads("small");
  });

  it("works where WebSockets are blocked", async () => {
    const { url, paths } = await blockWebSockets(stage.host.port);
    const [ada, ben] = await Promise.all([visit("Ada", { url: `${url}d/${stage.id}` }), visit("Ben")]);
    await ada.write("polled");
    await ben.reads("polled");
    await ben.select(6);
    await ben.write("!");
    await ada.reads("polled!");
    await ada.seesCursors("Ben 7");
    expect(paths).to.include.keys("/documents/socket/websocket", "/documents/socket/longpoll");
  });
});

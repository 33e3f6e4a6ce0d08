import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { History } from "../../examples/chat/history.ts";
import { useStage } from "./stage.ts";

describe("the chat in Chromium", function () {
  this.timeout(60_000);
  const stage = useStage();
  const { visit, visits } = stage;

  describe("messages", () => {
    it("arrive at everybody in the same order", async () => {
      const [ada, ben] = await visits("Ada", "Ben");
      await ada.say("one");
      await ben.say("two");
      for (const text of ["three", "four", "five", "six"]) await ada.write(text);
      const expected = ["one", "two", "three", "four", "five", "six"];
      await ada.sees(...expected);
      await ben.sees(...expected);
      await ben.reads(ben.page.locator("#log .message .author"), "Ada");
      expect(await ada.unsent.count()).to.equal(0);
    });

    it("wait for those who come later", async () => {
      const ada = await visit("Ada");
      await ada.say("early");
      await ada.say("bird");
      const late = await visit("Late");
      await late.sees("early", "bird");
      await ada.say("welcome");
      await late.sees("early", "bird", "welcome");
    });

    it("stay text, whatever is in them", async () => {
      const attack = `<img src="x" onerror="document.title='taken'"><script>document.title='taken'</script>`;
      const [ada, ben] = await visits("<b>Ada</b>", "Ben");
      await ada.say(attack);
      await ben.sees(attack);
      await ben.reads(ben.page.locator("#log .message .author"), "<b>Ada</b>");
      expect(await ben.page.locator("#log :is(img, script, b)").count()).to.equal(0);
      expect(await ben.page.title()).to.equal("lobby · Phoenix Chat");
    });

    it("of all tabs of one browser are one's own, under the name given in any of them", async () => {
      const ada = await visit("Ada");
      const second = await ada.openTab();
      expect(await second.page.getByRole("dialog").count()).to.equal(0);
      await second.page.getByRole("button", { name: "Change name" }).click();
      await second.nameYourself("Ada Two");
      await ada.reads(ada.page.locator("#me-name"), "Ada Two");
      await ada.say("from the first");
      await second.sees("from the first");
      await second.reads(second.page.locator("#log .author"), "You");
      await (await visit("Ben")).reads(ada.page.locator("#log .author"), "You");
    });
  });

  describe("the sign that somebody is writing", () => {
    it("shows at the others only, and goes when the message comes or is given up", async () => {
      const ben = await visit("Ben");
      const sent: string[] = [];
      const ada = await visit("Ada", {
        prepare: async (page) => {
          await page.clock.install();
          page.on("websocket", (socket) =>
            socket.on("framesent", ({ payload }) => sent.push(String(payload))),
          );
        },
      });
      await ada.page.clock.pauseAt(Date.now() + 60_000);
      await ada.composer.pressSequentially("a message of many keys");
      await ben.reads(ben.typing, "Ada is writing");
      expect(await ada.typing.textContent()).to.equal("");
      // In the moment at which her time stands still.
      expect(sent.filter((frame) => frame.includes('"typing":true'))).to.have.length(1);
      await ada.composer.press("Enter");
      await ben.sees("a message of many keys");
      await ben.reads(ben.typing, "");

      await ada.composer.pressSequentially("no");
      await ben.reads(ben.typing, "Ada is writing");
      await ada.composer.fill("");
      await ben.reads(ben.typing, "");
    });

    it("goes when the writer pauses", async () => {
      const ben = await visit("Ben");
      const ada = await visit("Ada", { prepare: (page) => page.clock.install() });
      await ada.composer.pressSequentially("well");
      await ben.reads(ben.typing, "Ada is writing");
      await ada.page.clock.runFor(3_000);
      await ben.reads(ben.typing, "");
    });

    it("goes when the writer's page is closed", async () => {
      const [ada, ben] = await Promise.all([
        visit("Ada"),
        visit("Ben", { prepare: (page) => page.clock.install() }),
      ]);
      await ben.page.clock.pauseAt(Date.now() + 60_000);
      await ada.composer.pressSequentially("well");
      await ben.reads(ben.typing, "Ada is writing");
      await ada.page.close();
      // With time standing still there, only the server can have said so.
      await ben.reads(ben.typing, "");
    });
  });

  describe("rooms", () => {
    it("are made by anybody, and are apart from each other", async () => {
      const [ada, ben] = await visits("Ada", "Ben");
      await ada.say("in the lobby");
      await ada.page.getByLabel("Name of a new room").fill("Tea kitchen");
      await ada.page.keyboard.press("Enter");
      await ada.isIn("tea-kitchen");
      await ada.sees();
      await ada.say("the water boils");

      const link = ben.page.getByRole("link", { name: "tea-kitchen" });
      await ben.reads(link, "1 unread");
      await ben.sees("in the lobby");
      await link.click();
      await ben.isIn("tea-kitchen");
      await ben.sees("the water boils");
      expect(await link.textContent()).not.to.include("unread");
      await ben.page.goBack();
      await ben.isIn("lobby");
      await ben.sees("in the lobby");
    });

    it("that aren't there can be made", async () => {
      const ada = await visit("Ada", { url: `${stage.chat.url}#/attic` });
      await ada.page.getByText("There is no room attic.").waitFor();
      expect(await ada.composer.isDisabled()).to.equal(true);
      await ada.page.getByRole("button", { name: "Create it" }).click();
      await ada.isIn("attic");
      await ada.say("dusty");
      await ada.sees("dusty");
    });
  });

  describe("what the server refuses", () => {
    it("is shown on the message, which can be changed and sent", async () => {
      const [ada, ben] = await visits("Ada", "Ben");
      const long = "x".repeat(2001);
      await ada.composer.fill(long);
      await ada.reads(ada.page.locator("#counter"), "1 characters too many");
      await ada.composer.press("Enter");
      await ada.reads(ada.unsent, "Not sent. A message has at most 2000 characters.");
      await ada.page.getByRole("button", { name: "Edit" }).click();
      expect(await ada.composer.inputValue()).to.equal(long);
      expect(await ada.unsent.count()).to.equal(0);
      await ada.composer.press("Backspace");
      await ada.composer.press("Enter");
      await ben.sees("x".repeat(2000));
    });

    it("is shown beside the name", async () => {
      const ada = await visit(null);
      const [input, alert] = [ada.page.locator("#name"), ada.page.locator("#name-error")];
      await ada.page.keyboard.press("Enter");
      await ada.reads(alert, "Please enter a name.");
      await input.fill("n".repeat(41));
      await ada.page.keyboard.press("Enter");
      await ada.reads(alert, "A name has at most 40 characters.");
      await ada.nameYourself("n".repeat(40));
      await ada.say("hello");
    });

    it("is shown beside the room's name", async () => {
      const ada = await visit("Ada");
      await ada.page.getByLabel("Name of a new room").fill("a/b");
      await ada.page.keyboard.press("Enter");
      await ada.reads(ada.page.locator("#new-room-error"), "letters a to z");
      await ada.isIn("lobby");
    });
  });

  describe("without a mouse", () => {
    it("everything can be done", async () => {
      const ada = await visit(null);
      const { keyboard } = ada.page;
      await keyboard.type("Ada");
      await keyboard.press("Enter");
      await ada.page.locator("#body:focus").waitFor();
      await keyboard.type("first line");
      await keyboard.press("Shift+Enter");
      await keyboard.type("second line");
      await keyboard.press("Enter");
      await ada.sees("first line\nsecond line");

      await keyboard.press("Shift+Tab");
      expect(await ada.focused.getAttribute("aria-label")).to.equal("Conversation");
      await keyboard.press("Escape");
      await ada.page.locator("#body:focus").waitFor();

      await keyboard.press("Alt+ArrowDown");
      await ada.isIn("random");
      await keyboard.press("Alt+ArrowUp");
      await ada.isIn("lobby");

      await ada.page.reload();
      await ada.is("online");
      await keyboard.press("Shift+Tab");
      await keyboard.press("Shift+Tab");
      await keyboard.press("Shift+Tab");
      await keyboard.press("Shift+Tab");
      await ada.page.locator("#new-room-name:focus").waitFor();
      await keyboard.type("keys");
      await keyboard.press("Enter");
      await ada.isIn("keys");
      await ada.page.locator("#body:focus").waitFor();
    });

    it("on a narrow screen the rooms open and close, and the focus goes along", async () => {
      const ada = await visit("Ada", { viewport: { width: 360, height: 640 } });
      const rooms = ada.page.getByRole("navigation", { name: "Rooms" });
      expect(await rooms.isVisible()).to.equal(false);
      await ada.page.getByRole("button", { name: "Rooms" }).focus();
      await ada.page.keyboard.press("Enter");
      await rooms.waitFor();
      expect(await ada.focused.textContent()).to.equal("#lobby");
      await ada.page.keyboard.press("Escape");
      expect(await ada.focused.getAttribute("aria-label")).to.equal("Rooms");
      await ada.page.keyboard.press("Enter");
      await ada.page.keyboard.press("Tab");
      await ada.page.keyboard.press("Enter");
      await ada.isIn("random");
      await rooms.waitFor({ state: "hidden" });
    });
  });

  describe("when frames are lost or come twice", () => {
    it("a message that came twice is shown once", async () => {
      const ben = await visit("Ben", {
        prepare: (page) =>
          page.routeWebSocket(/websocket/, (client) => {
            client.connectToServer().onMessage((frame) => {
              client.send(frame);
              if (String(frame).includes('"message"')) client.send(frame);
            });
          }),
      });
      const ada = await visit("Ada");
      for (const text of ["one", "two", "three"]) await ada.say(text);
      await ben.sees("one", "two", "three");
    });

    it("a message without an answer is sent again, and is there once", async () => {
      let losing = true;
      const ben = await visit("Ben");
      const ada = await visit("Ada", {
        prepare: (page) =>
          page.routeWebSocket(/websocket/, (client) => {
            const server = client.connectToServer();
            server.onMessage((frame) => {
              if (!losing || !String(frame).includes("delicate")) return client.send(frame);
              losing = false;
              // The server has taken it, and the connection breaks before the client learns of it.
              void server.close();
              void client.close({ code: 1013 });
            });
          }),
      });
      await ada.write("delicate");
      await ben.sees("delicate");
      await ada.sees("delicate");
      expect(losing).to.equal(false);
      await ada.say("sturdy");
      await ben.sees("delicate", "sturdy");
      expect(await ada.unsent.count()).to.equal(0);
    });

    it("a message that waits outlives a reload of the page", async () => {
      let blocked = false;
      const ben = await visit("Ben");
      const ada = await visit("Ada", {
        prepare: (page) =>
          Promise.all([
            page.routeWebSocket(/websocket/, (client) => {
              if (blocked) void client.close({ code: 1013 });
              else client.connectToServer();
            }),
            page.route(/longpoll/, (route) => (blocked ? route.abort() : route.continue())),
          ]),
      });
      blocked = true;
      await ada.page.reload();
      await ada.is("offline");
      await ada.write("patient");
      await ada.composer.fill("a draft");
      blocked = false;
      await ada.page.reload();
      await ben.sees("patient");
      await ada.sees("patient");
      expect(await ada.composer.inputValue()).to.equal("a draft");
    });
  });

  describe("when the server goes away and comes back", () => {
    /** Others say something while the browsers can't hear it. */
    async function meanwhile(...texts: string[]) {
      const history = await History.open(join(stage.dataDir, "history.jsonl"), 200);
      await history.createRoom("lobby");
      for (const body of texts) {
        await history.append(
          "lobby",
          { key: `key of ${body}`, author: "cleo", name: "Cleo", body },
          () => {},
        );
      }
      await history.close();
    }

    it("everybody reconnects, sees what they missed once, and talks again", async () => {
      const [ada, ben] = await visits("Ada", "Ben");
      await ada.say("before");
      await stage.chat.close();
      await ada.is("offline");
      await ben.page.getByText("The connection is lost.").waitFor();
      await ada.write("written offline");
      await ada.reads(ada.unsent, "Will be sent when you are connected again");
      await meanwhile("missed one", "missed two");

      await stage.restart();
      const expected = ["before", "missed one", "missed two", "written offline"];
      await ada.sees(...expected);
      await ben.sees(...expected);
      expect(await ben.page.getByText("The connection is lost.").isVisible()).to.equal(false);
      await ada.say("again");
      await ben.say("indeed");
      await ada.sees(...expected, "again", "indeed");
      await ben.sees(...expected, "again", "indeed");
      expect(await ada.unsent.count()).to.equal(0);
    });

    it("all tabs come back, each to its room", async () => {
      const [ada, ben] = await visits("Ada", "Ben");
      await ada.page.getByLabel("Name of a new room").fill("kitchen");
      await ada.page.keyboard.press("Enter");
      await ada.isIn("kitchen");
      const rooms = ["kitchen", "random", "lobby"] as const;
      const others = rooms.slice(1).map((room) => ada.openTab(`${stage.chat.url}#/${room}`));
      const tabs = [ada, ...(await Promise.all(others))];
      await stage.chat.close();
      for (const tab of tabs) await tab.is("offline");
      for (const [i, tab] of tabs.entries()) await tab.write(`offline in ${rooms[i]}`);
      await stage.restart();
      for (const room of rooms) {
        await ben.page.getByRole("link", { name: room }).click();
        await ben.isIn(room);
        await ben.sees(`offline in ${room}`);
        await ben.say(`hello ${room}`);
      }
      for (const [i, tab] of tabs.entries()) await tab.sees(`offline in ${rooms[i]}`, `hello ${rooms[i]}`);
      for (const tab of tabs) expect(await tab.unsent.count()).to.equal(0);
    });

    it("what no longer is kept is said to be missing", async () => {
      const ada = await visit("Ada");
      await ada.say("old");
      await stage.chat.close();
      await ada.is("offline");
      await meanwhile("1", "2", "3", "4");
      await stage.restart({ historySize: 3 });
      await ada.page.getByText("Older messages are no longer kept.").waitFor();
      await ada.sees("2", "3", "4");
    });

    it("a history that was lost begins anew", async () => {
      const ada = await visit("Ada");
      await ada.say("one");
      await ada.say("two");
      await stage.chat.close();
      await rm(join(stage.dataDir, "history.jsonl"));
      await meanwhile("fresh");
      await stage.restart();
      await ada.is("online");
      await ada.sees("fresh");
      await ada.say("two");
      await ada.sees("fresh", "two");
    });

    it("the connection can be tried at once", async () => {
      const ada = await visit("Ada", { prepare: (page) => page.clock.install() });
      await stage.chat.close();
      await ada.is("offline");
      await ada.page.clock.pauseAt(Date.now() + 600_000);
      await stage.restart();
      // With time standing still, no timer of the client's will do it.
      await ada.page.getByRole("button", { name: "Reconnect now" }).click();
      await ada.is("online");
      await ada.page.locator("#body:focus").waitFor();
    });
  });
});

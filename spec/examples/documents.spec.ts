import { expect } from "chai";
import { DocumentClient } from "./document-client.ts";
import { useDocumentsStage } from "./documents-stage.ts";
import { pageErrors, until } from "./pages.ts";

describe("a document in Chromium", function () {
  this.timeout(60_000);
  const stage = useDocumentsStage();
  const { visit, visits } = stage;

  describe("what several people write", () => {
    it("at once, in one place, converges, with all that anybody wrote", async () => {
      const [ada, ben] = await visits("Ada", "Ben");
      await ada.write("()");
      await ben.reads("()");
      await ada.select(1);
      await ben.select(1);
      await Promise.all([ada.write("aaaaaaaaaaaaaaaaaaaa"), ben.write("bbbbbbbbbbbbbbbbbbbb")]);
      await until(ada.page, `document.getElementById("body").value.length === 42`);
      const text = await ada.body.inputValue();
      expect([...text].sort().join("")).to.equal(`()${"a".repeat(20)}${"b".repeat(20)}`);
      expect(text.startsWith("(") && text.endsWith(")")).to.equal(true);
      await ben.reads(text);
      await (await visit("Cleo")).reads(text);
    });

    it("moves the others' carets and selections along, and not their place in the text", async () => {
      const [ada, ben] = await visits("Ada", "Ben");
      await ada.write("one two three");
      await ben.reads("one two three");
      await ben.select(4, 7);
      await ada.select(0);
      await ada.write("zero ");
      await ben.reads("zero one two three");
      expect(await ben.selection()).to.deep.equal([9, 12]);
      await ben.body.pressSequentially("2");
      await ada.reads("zero one 2 three");
      // What stands behind it doesn't move it.
      await ada.select(16);
      await ada.write("!");
      await ben.reads("zero one 2 three!");
      expect(await ben.selection()).to.deep.equal([10, 10]);
      // Nor is it left in what is gone.
      await ada.select(5, 16);
      await ada.page.keyboard.press("Delete");
      await ben.reads("zero !");
      expect(await ben.selection()).to.deep.equal([5, 5]);
    });

    it("is whole characters, of whatever script", async () => {
      const [ada, ben] = await visits("Ada", "Ben");
      await ada.body.focus();
      await ada.page.keyboard.insertText("🐦🔥 שלום 你好");
      await ada.is("saved");
      await ben.reads("🐦🔥 שלום 你好");
      // These share the first half of their surrogate pairs.
      await ben.select(0, 2);
      await ben.page.keyboard.insertText("🐧");
      await ada.reads("🐧🔥 שלום 你好");
    });

    it("waits for whoever composes a word, and doesn't break it", async () => {
      const [ada, ben] = await visits("Ada", "Ben");
      await ada.write("end");
      await ben.reads("end");
      await ben.select(0);
      const keyboard = await ben.page.context().newCDPSession(ben.page);
      await keyboard.send("Input.imeSetComposition", { text: "ni", selectionStart: 2, selectionEnd: 2 });
      await ada.reads("niend");
      await ada.select(5);
      await ada.write("!");
      expect(await ben.body.inputValue()).to.equal("niend");
      await keyboard.send("Input.insertText", { text: "你" });
      await ben.reads("你end!");
      await ada.reads("你end!");
    });

    it("is undone by its author only, and done again", async () => {
      const [ada, ben] = await visits("Ada", "Ben");
      await ada.write("Ada was here. ");
      await ben.reads("Ada was here. ");
      await ben.select(14);
      await ben.write("Ben too.");
      await ada.reads("Ada was here. Ben too.");
      await ada.page.keyboard.press("Control+z");
      await ada.reads("Ben too.");
      await ben.reads("Ben too.");
      await ada.page.getByRole("button", { name: "Redo" }).click();
      await ben.reads("Ada was here. Ben too.");
      await ben.page.keyboard.press("Control+z");
      await ada.reads("Ada was here. ");
      expect(await ben.page.getByRole("button", { name: "Undo" }).isDisabled()).to.equal(true);
    });
  });

  describe("a document", () => {
    it("is there after a reload, and for those who come later", async () => {
      const ada = await visit("Ada");
      await ada.title.fill("A title");
      await ada.title.press("Enter");
      await ada.page.keyboard.type("and a text");
      await ada.is("saved");
      await ada.page.reload();
      await ada.readsTitle("A title");
      await ada.reads("and a text");
      const late = await visit("Late");
      await late.readsTitle("A title");
      await late.reads("and a text");
      expect(await late.page.title()).to.equal("A title · Phoenix Docs");
    });

    it("is made at the start page, and stands in everybody's list under its title", async () => {
      const ada = await visit("Ada");
      await ada.page.goto(stage.host.url);
      await ada.page.getByRole("button", { name: "New document" }).click();
      await ada.is("saved");
      await ada.page.keyboard.type("Shopping");
      await ada.page.keyboard.press("Enter");
      await ada.page.keyboard.type("Milk and honey");
      const other = await ada.openTab(stage.host.url);
      await other.page.locator("#cards").getByText("Milk and honey").waitFor();
      await other.page.locator("#documents").getByRole("link", { name: "Shopping" }).click();
      await other.reads("Milk and honey");
    });

    it("that isn't there is said to be missing", async () => {
      const ada = await visit("Ada");
      await ada.page.goto(`${stage.host.url}d/abcdefghijkl`);
      await ada.page.getByText("There is no such document.").waitFor();
      expect(await ada.body.isVisible()).to.equal(false);
      // The browser itself reports what wasn't found.
      expect(pageErrors.splice(0).join()).to.match(/^Failed to load resource.* 404 \(Not Found\)$/);
    });

    it("shows how it was, and brings it back", async () => {
      const [ada, ben] = await visits("Ada", "Ben");
      await ada.write("first");
      await ben.reads("first");
      await ben.select(0, 5);
      await ben.page.keyboard.press("Delete");
      await ada.reads("");
      await ada.page.getByRole("button", { name: "History" }).click();
      await ada.page.getByText("by 2 people").waitFor();
      const past = ada.page.locator("#past-body");
      expect(await past.textContent()).to.equal("");
      await ada.page.getByLabel("Moment").press("ArrowLeft");
      expect(await past.textContent()).to.equal("first");
      expect(await ada.page.locator("#moment-text").textContent()).to.include("Ada");
      await ada.page.getByRole("button", { name: "Bring it back" }).click();
      await ben.reads("first");
      await ada.page.keyboard.press("Control+z");
      await ben.reads("");
    });
  });

  describe("who is here", () => {
    it("is shown once each, with tabs and who only reads, until they leave", async () => {
      const [ada, ben] = await visits("Ada", "Ben");
      await ada.meets("Ada (you)", "Ben");
      await ben.meets("Ben (you)", "Ada");
      const second = await ada.openTab();
      await ben.meets("Ben (you)", "Ada (2 tabs)");
      const cleo = await visit("Cleo", { url: `${stage.url}?view` });
      await cleo.meets("Cleo (you, reading)", "Ada (2 tabs)", "Ben");
      for (const writer of [ada, second]) await writer.meets("Ada (you, 2 tabs)", "Ben", "Cleo (reading)");
      await second.page.close();
      await cleo.page.goto("about:blank");
      await ada.meets("Ada (you)", "Ben");
    });

    it("is seen by cursor and selection, which move along with the text", async () => {
      const [ada, ben] = await visits("Ada", "Ben");
      await ada.write("one two three");
      await ben.seesCursors("Ada 13");
      await ada.select(4, 7);
      await ben.seesCursors("Ada 4-7");
      expect(await ben.page.locator("#body-field .mark").count()).to.equal(1);
      await ben.select(0);
      await ben.write("zero ");
      await ada.seesCursors("Ben 5");
      await ben.seesCursors("Ada 9-12");
      // Who comes later is told as well.
      const cleo = await visit("Cleo");
      await cleo.seesCursors("Ada 9-12", "Ben 5");
      await ada.page.close();
      await cleo.seesCursors("Ben 5");
    });

    it("stands where the characters stand", async () => {
      const [ada, ben] = await visits("Ada", "Ben");
      const line = "The quick brown fox jumps over the lazy dog. ";
      await ada.body.fill(`${line.repeat(8)}\n\nand then`);
      await ben.reads(`${line.repeat(8)}\n\nand then`);
      await ada.select(205);
      await ben.seesCursors("Ada 205");
      // The field and its mirror break the lines alike: they are equally high.
      const height = async (part: string) =>
        ben.page.evaluate(`document.querySelector("#body-field > ${part}").scrollHeight`);
      expect(await height("textarea")).to.equal(await height(".mirror"));
      const caret = await ben.page.locator("#body-field .caret").boundingBox();
      const field = await ben.body.boundingBox();
      if (caret === null || field === null) throw new Error("nothing is there");
      expect(caret.y).to.be.greaterThan(field.y + caret.height);
      expect(caret.x).to.be.within(field.x, field.x + field.width);
    });

    it("is a number when they are many", async () => {
      const ada = await visit("Ada");
      const names = Array.from({ length: 10 }, (_, i) => `Guest${i}`);
      for (const name of names) await DocumentClient.connect(stage.host.url, stage.id, "read", name);
      const more = ada.page.locator("#people .more");
      await more.getByText("+3", { exact: true }).waitFor();
      expect(await more.getAttribute("title")).to.equal("Guest7, Guest8, Guest9");
      expect(await ada.page.locator("#people .person").count()).to.equal(8);
    });

    it("can be found by their avatar", async () => {
      const [ada, ben] = await visits("Ada", "Ben");
      await ada.body.fill(`${"line\n".repeat(100)}here`);
      await ada.select(504);
      await ben.seesCursors("Ada 504");
      const caret = ben.page.locator("#body-field .caret");
      const isInView = `(() => {
        const { top, bottom } = document.querySelector("#body-field .caret").getBoundingClientRect();
        return top > 0 && bottom < innerHeight;
      })()`;
      expect(await ben.page.evaluate(isInView)).to.equal(false);
      await ben.page.getByRole("button", { name: "Ada" }).click();
      await until(ben.page, isInView);
      expect(await ben.page.evaluate(isInView)).to.equal(true);
      expect(await caret.textContent()).to.equal("Ada");
    });
  });

  describe("the link to read only", () => {
    it("shows what others write, and takes nothing", async () => {
      const ada = await visit("Ada");
      await ada.page.getByRole("button", { name: "Share" }).click();
      const link = await ada.page.getByLabel("To read only").inputValue();
      await ada.page.getByRole("button", { name: "Close" }).click();
      const reader = await visit("Reader", { url: link });
      await ada.write("look at this");
      await reader.reads("look at this");
      await reader.is("reading");
      await reader.body.press("x");
      await reader.body.press("Control+z");
      await ada.write("!");
      await reader.reads("look at this!");
      expect(await ada.body.inputValue()).to.equal("look at this!");
      expect(await reader.page.getByRole("button", { name: "Undo" }).isVisible()).to.equal(false);
    });

    it("needs no name", async () => {
      const ada = await visit("Ada");
      await ada.write("public");
      const context = await ada.page.context().browser()?.newContext();
      const page = await context?.newPage();
      await page?.goto(`${stage.url}?view`);
      await page?.locator('#status[data-state="reading"]').waitFor();
      expect(await page?.locator("dialog[open]").count()).to.equal(0);
      expect(await page?.locator("#body").inputValue()).to.equal("public");
      await context?.close();
    });
  });
});

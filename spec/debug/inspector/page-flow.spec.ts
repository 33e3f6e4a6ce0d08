import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { connectDocument, serveInspected } from "./looking.ts";
import { useVisitor } from "./visitor.ts";

describe("the inspector's page: the flow of messages", function () {
  this.timeout(30_000);
  const visit = useVisitor();

  /** Ada and Ben in a room, whose topic is followed. */
  async function inRoom() {
    const served = await serveInspected();
    const ada = await served.client("ada", "room:a");
    const ben = await served.client("ben", "room:a");
    const visitor = await visit(served.page);
    await visitor.choose("Topics", "room:a");
    return { ...served, ada, ben, visitor };
  }

  it("of a topic is drawn as it happens, from lane to lane", async () => {
    const { ada, visitor } = await inRoom();
    await visitor.page.getByText("Waiting for messages").waitFor();
    ada.send(["1", "2", "room:a", "shout", { text: "hello" }]);
    await visitor.step('ok {"heard":true}').waitFor();
    const drawn = await visitor.steps.evaluateAll((steps) =>
      steps.map((step) => {
        const arrow = step.querySelector(".arrow");
        const way = arrow === null ? "note" : arrow.classList.contains("right") ? "right" : "left";
        return [way, step.querySelector(".label, .note")?.firstChild?.textContent];
      }),
    );
    expect(drawn).to.deep.equal([
      ["right", "shout"],
      ["right", "shouted"],
      ["left", "shouted"],
      ["right", "shouted"],
      ["note", "Room.handleIn"],
      ["left", "ok"],
    ]);
    expect(await visitor.step("to #2").count()).to.equal(1);
    expect(await visitor.page.locator("#lanes span").allTextContents()).to.deep.equal([
      "Client",
      "Channel",
      "Topic",
      "Other clients",
    ]);
  });

  it("tells of broadcasts to other topics where they go, and of the server's own", async () => {
    const { ada, endpoint, visitor } = await inRoom();
    await ada.ask("1", "2", "room:a", "tell", { topic: "room:b" });
    await visitor.step("told on room:b, to 0").waitFor();
    endpoint.broadcast("room:a", "notice", { from: "the server" });
    await visitor.step("notice by the server, to 2").waitFor();
    await visitor.step("notice to #1 #2").waitFor();
  });

  it("of a document shows its session", async () => {
    const { client, page } = await serveInspected();
    const ada = await client("ada");
    const clientId = await connectDocument(ada, "report");
    await connectDocument(await client("ben"), "report");
    const visitor = await visit(page);
    await visitor.choose("Documents", "report");
    const op = { type: "op", contents: 1, clientSequenceNumber: 1, referenceSequenceNumber: 1 };
    ada.send(["1", "9", "document:acme:report", "submitOp", { clientId, messageBatches: [[op]] }]);
    await visitor.step("op 3 stored").waitFor();
    await visitor.step("op to #2").waitFor();
    expect(await visitor.page.locator("#lanes").textContent()).to.include("Session");
  });

  it("of one socket leaves the others out", async () => {
    const { ada, ben, visitor } = await inRoom();
    await visitor.choose("Sockets", "user:ben");
    await ada.ask("1", "2", "room:a", "whistle");
    await ben.ask("1", "2", "room:a", "wave");
    await visitor.step("wave").first().waitFor();
    expect(await visitor.step("whistle").count()).to.equal(0);
  });

  it("of all messages is there at a key", async () => {
    const { ada, visitor } = await inRoom();
    await visitor.page.keyboard.press("a");
    await visitor.followed();
    await ada.join("room:b");
    await visitor.step("phx_join").first().waitFor();
    expect(await visitor.page.locator("#subject").textContent()).to.include("Every message");
  });

  it("shows a step's payload, and the whole message", async () => {
    const { ada, visitor } = await inRoom();
    ada.send(["1", "2", "room:a", "shout", { text: "hello", token: "s3cret", n: [1, null, true] }]);
    await visitor.step('"text":"hello"').first().click();
    const text = await visitor.payload.textContent();
    expect(JSON.parse(text ?? "")).to.deep.equal({ text: "hello", token: "[FILTERED]", n: [1, null, true] });
    expect(await visitor.detail.textContent()).to.include("The whole message");
    expect(await visitor.detail.locator(".steps .kind").allTextContents()).to.include.members([
      "frame in",
      "decoded",
      "routed",
      "handling",
    ]);
    // All steps of the message are marked.
    expect(await visitor.page.locator("#flow .step.same").count()).to.equal(5);
    await visitor.page.keyboard.press("Escape");
    await visitor.detail.waitFor({ state: "hidden" });
  });

  it("gives advice for a step of a message that failed", async () => {
    const { ada, visitor } = await inRoom();
    ada.send(["1", "2", "room:a", "boom", {}]);
    await visitor.step("handleIn crashed").click();
    await visitor.advice.getByText("see the log line with this id").waitFor();
    expect(await visitor.detail.textContent()).to.include("no such user");
  });

  it("is walked through by keys", async () => {
    const { ada, visitor } = await inRoom();
    ada.send(["1", "2", "room:a", "shout", { text: "hello" }]);
    await visitor.step('ok {"heard":true}').waitFor();
    const flow = visitor.page.getByRole("listbox", { name: "Steps of messages" });
    await flow.focus();
    const selected = visitor.page.getByRole("option", { selected: true });
    for (const [key, step] of [
      ["Home", "shout"],
      ["End", "heard"],
      ["ArrowUp", "Room.handleIn"],
    ] as const) {
      await visitor.page.keyboard.press(key);
      await selected.filter({ hasText: step }).waitFor();
      expect(await selected.count()).to.equal(1);
      expect(await selected.getAttribute("id")).to.equal(await flow.getAttribute("aria-activedescendant"));
    }
    // Who listens to the page asks right after the key, before anything is drawn.
    const told = await flow.evaluate((element) => {
      element.dispatchEvent(Object.assign(new Event("keydown"), { key: "Home" }));
      const marked = [...element.querySelectorAll('[aria-selected="true"]')];
      return marked.map(({ id, textContent }) => ({
        isActive: id === element.getAttribute("aria-activedescendant"),
        isFirst: textContent?.includes("shout"),
      }));
    });
    expect(told).to.deep.equal([{ isActive: true, isFirst: true }]);
  });

  it("is filtered by kind; what is wrong stays", async () => {
    const { ada, visitor } = await inRoom();
    ada.send(["1", "2", "room:a", "shout", {}]);
    ada.send(["1", "3", "room:a", "whistle", {}]);
    await visitor.step("unmatched event").first().waitFor();
    await visitor.button("Broadcasts").click();
    await visitor.step("shouted").first().waitFor({ state: "detached" });
    await visitor.button("Messages").click();
    await visitor.step("shout").first().waitFor({ state: "detached" });
    expect(await visitor.step("denied").count()).to.equal(1);
    await visitor.button("Broadcasts").click();
    await visitor.step("shouted").first().waitFor();
    await visitor.button("Errors only").click();
    await visitor.step("shouted").first().waitFor({ state: "detached" });
    expect(await visitor.steps.count()).to.equal(2);
  });

  it("shows heartbeats when it is asked to", async () => {
    const { ada, visitor } = await inRoom();
    await visitor.button("Follow all").click();
    await visitor.followed();
    await ada.settle();
    await ada.ask("1", "2", "room:a", "whistle");
    await visitor.step("whistle").first().waitFor();
    expect(await visitor.step("heartbeat").count()).to.equal(0);
    await visitor.button("Heartbeats").click();
    await visitor.step("heartbeat").first().waitFor();
  });

  it("is searched, payloads too", async () => {
    const { ada, visitor } = await inRoom();
    for (const text of ["apple", "pear"]) ada.send(["1", text, "room:a", "shout", { text }]);
    await visitor.step("heard").nth(1).waitFor();
    await visitor.page.keyboard.press("f");
    await visitor.page.keyboard.type("PEAR");
    await visitor.step("apple").first().waitFor({ state: "detached" });
    expect(await visitor.steps.count()).to.be.above(0);
    await visitor.page.getByLabel("Search the messages").fill("plum");
    await visitor.page.getByText("No step matches").waitFor();
  });

  it("is paused, and goes on with what came meanwhile", async () => {
    const { ada, visitor } = await inRoom();
    await visitor.page.keyboard.press("p");
    ada.send(["1", "2", "room:a", "shout", { text: "meanwhile" }]);
    const resume = visitor.page.getByRole("button", { name: /Resume \([1-9]/ });
    await resume.waitFor();
    expect(await visitor.steps.count()).to.equal(0);
    expect(await resume.getAttribute("aria-pressed")).to.equal("true");
    await resume.click();
    await visitor.step("meanwhile").first().waitFor();
    await visitor.button("Clear").click();
    await visitor.steps.first().waitFor({ state: "detached" });
  });

  it("is exported as lines of JSON: the steps as the server told them", async () => {
    const { ada, visitor, endpoint } = await inRoom();
    const trace = endpoint.trace({ topic: "room:a" });
    ada.send(["1", "2", "room:a", "shout", { text: "hello" }]);
    await visitor.step("heard").waitFor();
    const download = visitor.page.waitForEvent("download");
    await visitor.button("Export").click();
    const file = await download;
    expect(file.suggestedFilename()).to.match(/^trace-.*\.jsonl$/);
    const lines = (await readFile(await file.path(), "utf8")).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line) as unknown)).to.deep.equal(
      trace.take().map((step) => JSON.parse(JSON.stringify(step)) as unknown),
    );
  });

  it("stays text, whatever is in topics, ids, events and payloads", async () => {
    const attack = `<img src=x onerror="document.title='taken'"><script>document.title='taken'</script>`;
    const { client, page } = await serveInspected();
    const ada = await client(attack, `room:${attack}`);
    const visitor = await visit(page);
    await visitor.choose("Sockets", "user:");
    ada.send(["1", "2", `room:${attack}`, "shout", { [attack]: attack }]);
    await visitor.step("shouted").first().waitFor();
    ada.send(["1", "3", `room:${attack}`, attack, attack]);
    await visitor.step("denied").waitFor();
    for (const text of ["shout", "onerror"]) await visitor.step(text).first().click();
    await visitor.choose("Topics", "room:");
    await visitor.openTable("Errors");
    await visitor.rows.filter({ hasText: "onerror" }).first().click();
    await visitor.advice.waitFor();
    expect(await visitor.rows.first().textContent()).to.include("<img src=x");
    expect(await visitor.page.locator("main :is(img, script)").count()).to.equal(0);
    expect(await visitor.page.title()).to.equal("Inspector · Phoenix Channels");
  });

  it("is a sample of more messages than can be read, and says so", async () => {
    const { ada, visitor } = await inRoom();
    for (let i = 0; i < 300; i++) ada.send(["1", `${i}`, "room:a", "shout", { i }]);
    const notice = visitor.page.getByText(/^Sampled: .* messages\/s are shown, 2\d\d were left out so far/);
    await notice.waitFor();
    // What isn't visible isn't drawn.
    expect(await visitor.steps.count()).to.be.below(60);
    await notice.waitFor({ state: "hidden" });
  });
});

import { expect } from "chai";
import { Endpoint } from "../../../lib/index.ts";
import { refused } from "../../support/client.ts";
import { afterTest } from "../../support/teardown.ts";
import { connectDocument, serveInspected } from "./looking.ts";
import { useVisitor } from "./visitor.ts";

describe("the inspector's page: tables", function () {
  this.timeout(30_000);
  const visit = useVisitor();

  it("fill as clients come, join and go", async () => {
    const { client, page } = await serveInspected();
    const visitor = await visit(page);
    await visitor.page.getByText("Nobody is connected.").waitFor();
    const ada = await client("ada", "room:a");
    await client("ben", "room:a");
    await visitor.hasRows("user:ada", "user:ben");
    expect(await visitor.rows.first().textContent())
      .to.include("#1")
      .and.include("websocket");
    await ada.close();
    await visitor.hasRows("user:ben");
    await visitor.openTable("Topics");
    await visitor.rows.filter({ hasText: "room:a" }).first().waitFor();
    expect(await visitor.rows.filter({ hasText: "room:a" }).locator("td").allTextContents()).to.deep.equal([
      "room:a",
      "topic",
      "Room",
      "1",
      "1",
    ]);
  });

  it("show who is present, with what the app says of them", async () => {
    const { client, page } = await serveInspected();
    const ada = await client("ada");
    await ada.join("room:a", { key: "ada" });
    const visitor = await visit(page);
    await visitor.choose("Presence", "ada");
    expect(await visitor.payload.textContent())
      .to.include('"device": "phone"')
      .and.include('"[FILTERED]"');
  });

  it("show documents, with who is connected", async () => {
    const { client, page } = await serveInspected();
    const clientId = await connectDocument(await client("ada"), "report");
    const visitor = await visit(page);
    await visitor.choose("Documents", "report");
    expect(await visitor.rows.first().locator("td").allTextContents()).to.deep.equal([
      "acme",
      "report",
      "1",
      "0",
      "1",
      "1",
      "0",
      "0",
    ]);
    expect(await visitor.detail.textContent()).to.include(`write client ${clientId}`);
  });

  it("show what was refused and what crashed, with the advice of the doctor", async () => {
    const { client, page, url } = await serveInspected();
    await refused(url, "vsn=2.0.0&user=mallory");
    const ada = await client("ada", "room:a");
    await ada.ask("1", "2", "room:a", "whistle");
    const visitor = await visit(page);
    await visitor.openTable("Errors");
    await visitor.hasRows("unmatched event", "banned");
    await visitor.rows.filter({ hasText: "unmatched event" }).click();
    await visitor.advice.waitFor();
    expect(await visitor.advice.textContent()).to.include("add a handler with on");
    await visitor.rows.filter({ hasText: "banned" }).click();
    await visitor.advice.getByText("a token or param is missing").waitFor();
    expect(await visitor.detail.textContent()).to.include("connect");
  });

  it("are searched, and sorted by their columns", async () => {
    const { client, page } = await serveInspected();
    for (const user of ["cid", "ada", "ben"]) await client(user, `room:${user}`);
    const visitor = await visit(page);
    await visitor.openTable("Channels");
    await visitor.hasRows("room:cid", "room:ada", "room:ben");
    const topics = () => visitor.rows.locator("td:first-child").allTextContents();
    await visitor.button("topic").click();
    expect(await topics()).to.deep.equal(["room:ada", "room:ben", "room:cid"]);
    await visitor.button("topic").click();
    expect(await topics()).to.deep.equal(["room:cid", "room:ben", "room:ada"]);
    await visitor.page.getByLabel("Search this table").fill("BEN");
    await visitor.hasRows("room:ben");
    await visitor.page.getByText("1 of 3").waitFor();
    await visitor.page.getByLabel("Search this table").fill("nobody");
    await visitor.page.getByText("Nothing here matches the search.").waitFor();
  });

  it("can be used without a mouse", async () => {
    const { client, page } = await serveInspected();
    await client("ada", "room:a");
    await client("ben", "room:a");
    const visitor = await visit(page);
    const { keyboard } = visitor.page;
    await visitor.hasRows("user:ada", "user:ben");
    await visitor.page.getByRole("tab", { name: "Sockets" }).focus();
    await keyboard.press("ArrowRight");
    await keyboard.press("ArrowRight");
    expect(await visitor.focused.textContent()).to.equal("Topics");
    expect(await visitor.focused.getAttribute("aria-selected")).to.equal("true");
    await keyboard.press("1");
    await visitor.hasRows("user:ada", "user:ben");
    await keyboard.press("/");
    expect(await visitor.focused.getAttribute("id")).to.equal("table-search");
    await keyboard.press("ArrowDown");
    await keyboard.press("ArrowDown");
    expect(await visitor.focused.textContent()).to.include("user:ben");
    await keyboard.press("Enter");
    await visitor.followed();
    expect(await visitor.page.locator("#subject").textContent()).to.include("user:ben");
    await keyboard.press("?");
    await visitor.page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
    await keyboard.press("Escape");
    await visitor.page.getByRole("dialog").waitFor({ state: "hidden" });
  });

  it("come back by themselves when the server has been away", async () => {
    const { client, page, endpoint, port } = await serveInspected();
    await client("ada", "room:a");
    const visitor = await visit(page);
    await visitor.choose("Sockets", "user:ada");
    await endpoint.close();
    await visitor.page.locator('#status[data-state="offline"]').waitFor();
    const again = new Endpoint();
    again.inspect("/inspector");
    await again.listen(port, "127.0.0.1");
    afterTest(() => again.close());
    await visitor.page.locator('#status[data-state="online"]').waitFor();
    await visitor.page.getByText("Nobody is connected.").waitFor();
  });
});

describe("the inspector's page: colours", function () {
  this.timeout(30_000);
  const visit = useVisitor();

  it("are the system's, until somebody chooses, which is remembered", async () => {
    const { page } = await serveInspected();
    const light = await visit(page);
    const dark = await visit(page, { colorScheme: "dark" });
    const theme = ({ page }: { page: typeof light.page }) => page.locator("html").getAttribute("data-theme");
    const ground = (visitor: typeof light) =>
      visitor.page
        .locator("body")
        .evaluate((body) => body.ownerDocument.defaultView?.getComputedStyle(body).backgroundColor);
    expect([await theme(light), await theme(dark)]).to.deep.equal(["light", "dark"]);
    expect(await ground(light)).not.to.equal(await ground(dark));
    await dark.page.getByRole("button", { name: "Switch to light colours" }).click();
    expect(await ground(dark)).to.equal(await ground(light));
    await dark.page.reload();
    expect(await theme(dark)).to.equal("light");
    await light.page.keyboard.press("t");
    expect(await theme(light)).to.equal("dark");
  });
});

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { afterTest } from "../support/teardown.ts";

export interface Visit {
  /** A name that the browser remembers from earlier; null if the page will have to ask for one. */
  readonly name: string | null;
  readonly url: string;
  readonly viewport?: { readonly width: number; readonly height: number };
  /** Called before the page is loaded. */
  readonly prepare?: (page: Page) => Promise<unknown>;
}

/** What pages have reported since this was emptied. */
export const pageErrors: string[] = [];

const VIEWPORT = { width: 1280, height: 720 };

/** Browsers whose visitors have left. A new one takes longer than most tests. */
const vacant: Page[] = [];

/** Has an empty page, where they wait. On the chat's own host, since from any other they would need a new process. */
const lounge = createServer((_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end());

after("close the lounge", () => {
  lounge.close();
  lounge.closeAllConnections();
});

/** Somebody with a browser of their own. */
export class Person {
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
  }

  /** Opens the chat. The browser is vacated after the test. */
  static async visit(browser: Browser, { name, url, viewport = VIEWPORT, prepare }: Visit): Promise<Person> {
    // What is prepared stays with a page, and so such a page isn't used again.
    const page = (prepare === undefined && vacant.pop()) || (await openBrowser(browser));
    afterTest(() => (prepare === undefined ? vacate(page) : page.context().close()));
    if (page.viewportSize()?.width !== viewport.width) await page.setViewportSize(viewport);
    await prepare?.(page);
    const remember = name === null ? "" : `localStorage.setItem("chat:name", ${JSON.stringify(name)});`;
    const arrange = await page.addInitScript({
      content: `localStorage.clear(); sessionStorage.clear(); ${remember}`,
    });
    await page.goto(url);
    await arrange.dispose();
    const person = new Person(page);
    if (name !== null) await person.is("online");
    return person;
  }

  /** Opens the chat in another tab of this browser. */
  async openTab(url = this.page.url()): Promise<Person> {
    const tab = new Person(await newPage(this.page.context()));
    await tab.page.goto(url);
    await tab.is("online");
    return tab;
  }

  get composer(): Locator {
    return this.page.getByLabel("Message", { exact: true });
  }

  get typing(): Locator {
    return this.page.locator("#typing");
  }

  get unsent(): Locator {
    return this.page.locator("#unsent > li");
  }

  get focused(): Locator {
    return this.page.locator(":focus");
  }

  async nameYourself(name: string): Promise<void> {
    await this.page.getByLabel("Name", { exact: true }).fill(name);
    await this.page.keyboard.press("Enter");
    await this.page.getByRole("dialog").waitFor({ state: "hidden" });
    await this.is("online");
  }

  async write(text: string): Promise<void> {
    await this.composer.fill(text);
    await this.composer.press("Enter");
  }

  /** Writes, and waits until the server has it. */
  async say(text: string): Promise<void> {
    await this.write(text);
    await this.page.locator("#log .message.mine .body").getByText(text, { exact: true }).last().waitFor();
  }

  async is(state: "online" | "offline"): Promise<void> {
    await this.page.locator(`#status[data-state="${state}"]`).waitFor();
  }

  async isIn(room: string): Promise<void> {
    await this.page.getByRole("heading", { level: 1 }).getByText(room, { exact: true }).waitFor();
    await this.is("online");
  }

  /** Waits for that many messages, which must be these and no more. */
  async sees(...expected: string[]): Promise<void> {
    const bodies = this.page.locator("#log .message .body");
    // If they don't come, the difference says more than the timeout.
    if (expected.length > 0) {
      await bodies
        .nth(expected.length - 1)
        .waitFor()
        .catch(() => {});
    }
    expect(await bodies.allTextContents()).to.deep.equal(expected);
  }

  /** Waits until the room has these people, in this order and no others: "Ada (you)", "Ben 2 tabs". */
  async meets(...expected: string[]): Promise<void> {
    let list = this.page.locator("#people:not(.uncertain) #people-list");
    for (const [i, text] of expected.entries()) {
      const person = this.page
        .locator(`li:nth-child(${i + 1}) > .person-text`)
        .getByText(text, { exact: true });
      list = list.filter({ has: person });
    }
    list = list.filter({ hasNot: this.page.locator(`li:nth-child(${expected.length + 1})`) });
    await list.waitFor({ state: "attached" }).catch(() => {});
    const people = this.page.locator("#people:not(.uncertain) #people-list > li > .person-text");
    expect(await people.allTextContents()).to.deep.equal(expected);
  }

  /** Waits until a place shows a text, or none. */
  async reads(place: Locator, text: string): Promise<void> {
    const exact = text === "" ? /^$/ : text;
    await place
      .filter({ hasText: exact })
      .first()
      .waitFor({ state: "attached" })
      .catch(() => {});
    expect(await place.first().textContent()).to.include(text);
    if (text === "") expect(await place.first().textContent()).to.equal("");
  }
}

async function openBrowser(browser: Browser): Promise<Page> {
  // Without transitions there is less to draw, and to wait for.
  const context = await browser.newContext({ viewport: VIEWPORT, reducedMotion: "reduce" });
  context.setDefaultTimeout(10_000);
  return newPage(context);
}

async function newPage(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  page.on("pageerror", (error) => pageErrors.push(String(error)));
  page.on("console", (message) => {
    // What the policy blocks is reported here too. A server that is away is no fault of the page.
    const isAway =
      message.text().includes("WebSocket connection to") ||
      message.location().url.includes("/socket/longpoll");
    if (message.type() === "error" && !isAway) pageErrors.push(message.text());
  });
  return page;
}

async function vacate(page: Page): Promise<void> {
  if (page.isClosed()) return page.context().close();
  for (const other of page.context().pages()) if (other !== page) await other.close();
  if (!lounge.listening) await once(lounge.listen(0, "127.0.0.1"), "listening");
  await page.goto(`http://127.0.0.1:${(lounge.address() as AddressInfo).port}/`);
  vacant.push(page);
}

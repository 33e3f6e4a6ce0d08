import { expect } from "chai";
import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { afterTest } from "../support/teardown.ts";

export interface Visit {
  /** Null leaves the question for the name open. */
  readonly name: string | null;
  readonly url: string;
  readonly viewport?: { readonly width: number; readonly height: number };
  /** Called before the page is loaded. */
  readonly prepare?: (page: Page) => Promise<unknown>;
}

/** What pages have reported since this was emptied. */
export const pageErrors: string[] = [];

/** Somebody with a browser of their own. */
export class Person {
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
  }

  /** Opens the chat. The browser is closed after the test. */
  static async visit(browser: Browser, visit: Visit): Promise<Person> {
    const context = await browser.newContext({ viewport: visit.viewport });
    context.setDefaultTimeout(10_000);
    afterTest(() => context.close());
    return Person.openTab(context, visit);
  }

  static async openTab(context: BrowserContext, { name, url, prepare }: Visit): Promise<Person> {
    const page = await context.newPage();
    page.on("pageerror", (error) => pageErrors.push(String(error)));
    page.on("console", (message) => {
      // What the policy blocks is reported here too. A server that is away is no fault of the page.
      if (message.type() === "error" && !message.text().includes("WebSocket connection to")) {
        pageErrors.push(message.text());
      }
    });
    await prepare?.(page);
    await page.goto(url);
    const person = new Person(page);
    if (name !== null) await person.nameYourself(name);
    return person;
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

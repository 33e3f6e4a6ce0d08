import { expect } from "chai";
import type { Browser, Locator, Page } from "playwright-core";
import { openPage, openTab, type Visit } from "./pages.ts";

/** Somebody with a browser of their own. */
export class Person {
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
  }

  /** Opens the chat. */
  static async visit(browser: Browser, visit: Visit): Promise<Person> {
    const person = new Person(await openPage(browser, visit));
    if (visit.name !== null) await person.is("online");
    return person;
  }

  /** Opens the chat in another tab of this browser. */
  async openTab(url = this.page.url()): Promise<Person> {
    const tab = new Person(await openTab(this.page, url));
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

import { expect } from "chai";
import type { Browser, Locator, Page } from "playwright-core";
import { openPage, openTab, until, type Visit } from "./pages.ts";

type State = "saved" | "saving" | "failed" | "reading" | "offline";

/** Somebody in a document, with a browser of their own. */
export class Writer {
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
  }

  static async visit(browser: Browser, visit: Visit): Promise<Writer> {
    return new Writer(await openPage(browser, visit));
  }

  async openTab(url = this.page.url()): Promise<Writer> {
    return new Writer(await openTab(this.page, url));
  }

  get title(): Locator {
    return this.page.getByLabel("Title", { exact: true });
  }

  get body(): Locator {
    return this.page.getByLabel("Text", { exact: true });
  }

  async is(state: State): Promise<void> {
    await this.page.locator(`#status[data-state="${state}"]`).waitFor();
  }

  get focused(): Locator {
    return this.page.locator(":focus");
  }

  /** Waits until a text is the document's. */
  reads(text: string): Promise<void> {
    return this.#equals(`document.getElementById("body").value`, text);
  }

  readsTitle(text: string): Promise<void> {
    return this.#equals(`document.getElementById("title").value`, text);
  }

  /** Writes at the caret, and waits until the server has it. */
  async write(text: string): Promise<void> {
    await this.body.pressSequentially(text);
    await this.is("saved");
  }

  /** Puts the caret, or a selection, into the text. */
  async select(start: number, end = start): Promise<void> {
    await this.body.focus();
    await this.page.evaluate(`document.getElementById("body").setSelectionRange(${start}, ${end})`);
  }

  selection(): Promise<unknown> {
    return this.page.evaluate(`(({ selectionStart, selectionEnd }) => [selectionStart, selectionEnd])(
      document.getElementById("body"),
    )`);
  }

  /** Waits until these are here, in this order and no others: "Ada (you)", "Ben (2 tabs)". */
  meets(...expected: string[]): Promise<void> {
    const people = `document.querySelectorAll("#people:not(.uncertain) .person")`;
    return this.#equals(`Array.from(${people}, (person) => person.getAttribute("aria-label"))`, expected);
  }

  /** Waits until the cursors in the text are these people's, at these characters: "Ben 5", "Cleo 2-7". */
  seesCursors(...expected: string[]): Promise<void> {
    const carets = `document.querySelectorAll("#body-field .caret")`;
    return this.#equals(
      `Array.from(${carets}, ({ textContent, dataset }) => textContent + " " + dataset.range).sort()`,
      expected,
    );
  }

  /** Waits until an expression has a value in the page. If it doesn't, the difference says more than a timeout. */
  async #equals(expression: string, expected: unknown): Promise<void> {
    const json = JSON.stringify(JSON.stringify(expected));
    await until(this.page, `JSON.stringify(${expression}) === ${json}`);
    expect(await this.page.evaluate(expression)).to.deep.equal(expected);
  }
}

import { expect } from "chai";
import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { useChromium } from "../../support/chromium.ts";
import { afterTest } from "../../support/teardown.ts";

export interface Visit {
  readonly colorScheme?: "light" | "dark";
}

/** Somebody who looks at the inspector's page, for a suite. No page may report an error in its tests. */
export function useVisitor(): (url: string, visit?: Visit) => Promise<Visitor> {
  const browser = useChromium();
  const errors: string[] = [];
  afterEach("no page has reported an error", () => {
    expect(errors.splice(0)).to.deep.equal([]);
  });
  return (url, visit = {}) => Visitor.open(browser(), url, visit, errors);
}

export class Visitor {
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
  }

  static async open(browser: Browser, url: string, visit: Visit, errors: string[]): Promise<Visitor> {
    const context: BrowserContext = await browser.newContext({
      viewport: { width: 1280, height: 720 },
      reducedMotion: "reduce",
      ...visit,
    });
    afterTest(() => context.close());
    context.setDefaultTimeout(10_000);
    const page = await context.newPage();
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => {
      // What the policy blocks is reported here too. A server that is away is no fault of the page.
      const isAway = message.text().includes("WebSocket connection to");
      if (message.type() === "error" && !isAway) errors.push(message.text());
    });
    await page.goto(url);
    const visitor = new Visitor(page);
    await page.locator('#status[data-state="online"]').waitFor();
    return visitor;
  }

  get rows(): Locator {
    return this.page.locator("#table-body tr");
  }

  /** The steps that are drawn. */
  get steps(): Locator {
    return this.page.locator("#flow .step");
  }

  get detail(): Locator {
    return this.page.getByRole("complementary", { name: "Details" });
  }

  get payload(): Locator {
    return this.detail.locator(".payload");
  }

  get advice(): Locator {
    return this.detail.getByRole("region", { name: "Advice" });
  }

  button(name: string): Locator {
    return this.page.getByRole("button", { name, exact: true });
  }

  async openTable(name: string): Promise<void> {
    await this.page.getByRole("tab", { name }).click();
  }

  /** Chooses the row of a table that has a text. */
  async choose(table: string, text: string): Promise<void> {
    await this.openTable(table);
    await this.rows.filter({ hasText: text }).first().click();
    await this.followed();
  }

  /** Waits until the server follows what was asked for. */
  async followed(): Promise<void> {
    await this.page.locator("#flow[data-following]").waitFor();
  }

  /** A step of the diagram that has a text. */
  step(text: string | RegExp): Locator {
    return this.steps.filter({ hasText: text });
  }

  /** Waits until a table has just these rows, told by a text in each. */
  async hasRows(...texts: string[]): Promise<void> {
    for (const text of texts) await this.rows.filter({ hasText: text }).first().waitFor();
    await this.page.locator(`#table-body:not(:has(tr:nth-child(${texts.length + 1})))`).waitFor();
  }

  /** What is focused. */
  get focused(): Locator {
    return this.page.locator(":focus");
  }
}

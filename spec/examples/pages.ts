import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterTest } from "../support/teardown.ts";

export interface Visit {
  /** A name that the browser remembers from earlier; null if the page will have to ask for one. */
  readonly name: string | null;
  readonly url: string;
  readonly viewport?: { readonly width: number; readonly height: number };
  /** Whether the page may have a service worker, in a browser of its own. */
  readonly serviceWorkers?: "allow";
  /** Called before the page is loaded. */
  readonly prepare?: (page: Page) => Promise<unknown>;
}

/** What pages have reported since this was emptied. */
export const pageErrors: string[] = [];

const VIEWPORT = { width: 1280, height: 720 };

/** Browsers whose visitors have left. A new one takes longer than most tests. */
const vacant: Page[] = [];

/** Has an empty page, where they wait. On the apps' own host, since from any other they would need a new process. */
const lounge = createServer((_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end());

after("close the lounge", () => {
  lounge.close();
  lounge.closeAllConnections();
});

/** Opens an address in a browser of its own, whose storage has a name only. It is vacated after the test. */
export async function openPage(
  browser: Browser,
  { name, url, viewport = VIEWPORT, prepare, serviceWorkers }: Visit,
): Promise<Page> {
  // What is prepared stays with a page, and so such a page isn't used again.
  const isPlain = prepare === undefined && serviceWorkers === undefined;
  const page = (isPlain && vacant.pop()) || (await openBrowser(browser, serviceWorkers));
  afterTest(() => (isPlain ? vacate(page) : page.context().close()));
  if (page.viewportSize()?.width !== viewport.width) await page.setViewportSize(viewport);
  await prepare?.(page);
  const remember = name === null ? "" : `localStorage.setItem("examples:name", ${JSON.stringify(name)});`;
  const arrange = await page.addInitScript({
    content: `localStorage.clear(); sessionStorage.clear(); ${remember}`,
  });
  await page.goto(url);
  await arrange.dispose();
  return page;
}

/** Opens another tab of the same browser. */
export async function openTab(beside: Page, url: string): Promise<Page> {
  const page = await newPage(beside.context());
  await page.goto(url);
  return page;
}

/**
 * Waits until an expression is true in the page, or for ten seconds. (The page's policy forbids Playwright's own way,
 * which evaluates text inside of it.)
 */
export async function until(page: Page, expression: string): Promise<void> {
  await page.evaluate(`new Promise((resolve) => {
    const giveUp = performance.now() + 10_000;
    const look = () => ((${expression}) || performance.now() > giveUp ? resolve() : requestAnimationFrame(look));
    look();
  })`);
}

async function openBrowser(browser: Browser, serviceWorkers: "allow" | "block" = "block"): Promise<Page> {
  // Without transitions there is less to draw, and to wait for.
  const context = await browser.newContext({ viewport: VIEWPORT, reducedMotion: "reduce", serviceWorkers });
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
      message.text().includes("net::ERR_") ||
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

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

let launched: Promise<Browser> | null = null;

// At the root, so that it runs when all suites have.
after("close Chromium", async () => {
  await (await launched)?.close();
});

/**
 * For a suite that needs a browser: returns a function that gives the system's Chromium, one for the whole run.
 * CHROMIUM names another than that on the PATH. Where there is none the suite is skipped, or fails if
 * REQUIRE_SERVICES is 1.
 */
export function useChromium(): () => Browser {
  let browser: Browser | null = null;
  before("needs Chromium on the PATH, or named by CHROMIUM", async function () {
    this.timeout(60_000);
    const executablePath = findChromium();
    if (executablePath === null) {
      if (process.env.REQUIRE_SERVICES === "1") throw new Error("there is no Chromium");
      this.skip();
    }
    launched ??= chromium.launch({ executablePath, headless: true, args: ARGS });
    browser = await launched;
  });
  return () => {
    if (browser === null) throw new Error("Chromium runs in tests and hooks only");
    return browser;
  };
}

function findChromium(): string | null {
  const { CHROMIUM, PATH = "" } = process.env;
  if (CHROMIUM !== undefined && CHROMIUM !== "") return CHROMIUM;
  for (const name of NAMES) {
    for (const directory of PATH.split(delimiter)) {
      const file = join(directory, name);
      if (isExecutable(file)) return file;
    }
  }
  return null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

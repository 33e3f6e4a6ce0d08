import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { extname } from "node:path";
import { pathToFileURL } from "node:url";

/** For every answer: nothing but what this server serves is run or loaded, and text never becomes markup. */
export const HEADERS: Readonly<Record<string, string>> = {
  "Content-Security-Policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; "),
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-store",
};

const TYPES: ReadonlyMap<string, string> = new Map([
  [".html", "text/html; charset=utf-8"],
  [".css", "text/css; charset=utf-8"],
  [".js", "text/javascript; charset=utf-8"],
  [".mjs", "text/javascript; charset=utf-8"],
  [".svg", "image/svg+xml"],
]);

const PAGE = new URL("page/", import.meta.url);
/** The official client. The build puts it beside the page; in the sources it is where npm installed it. */
const CLIENT = "phoenix.mjs";

export interface Asset {
  readonly type: string;
  readonly bytes: Buffer;
}

/** Reads the page and all it needs, by name; nothing else can be asked for. */
export async function loadAssets(): Promise<ReadonlyMap<string, Asset>> {
  const assets = new Map<string, Asset>();
  const add = async (name: string, file: URL) => {
    const type = TYPES.get(extname(name));
    if (type !== undefined) assets.set(name, { type, bytes: await readFile(file) });
  };
  await Promise.all((await readdir(PAGE)).map((name) => add(name, new URL(name, PAGE))));
  if (!assets.has(CLIENT)) {
    const installed = pathToFileURL(createRequire(import.meta.url).resolve("phoenix"));
    await add(CLIENT, new URL(CLIENT, installed));
  }
  return assets;
}

import { readdir, readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { extname } from "node:path";
import { pathToFileURL } from "node:url";

const HEADERS = {
  // Only what this server serves, and text never becomes markup.
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
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-cache",
};

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

interface Asset {
  readonly type: string;
  readonly bytes: Buffer;
}

/** Reads the page and all it needs, and returns the handler that serves it. Nothing else can be asked for. */
export async function loadAssets(): Promise<(request: IncomingMessage, response: ServerResponse) => void> {
  const assets = new Map<string, Asset>();
  const add = async (path: string, file: URL) => {
    const type = TYPES[extname(file.pathname)];
    if (type !== undefined) assets.set(path, { type, bytes: await readFile(file) });
  };
  const directory = new URL("public/", import.meta.url);
  for (const name of await readdir(directory)) {
    await add(name === "index.html" ? "/" : `/${name}`, new URL(name, directory));
  }
  // The official client, as npm installed it. Beside the file for Node stands the module, which browsers take as it is.
  const client = pathToFileURL(createRequire(import.meta.url).resolve("phoenix"));
  await add("/phoenix.mjs", new URL("phoenix.mjs", client));

  return (request, response) => {
    const [path = ""] = (request.url ?? "").split("?");
    const asset = assets.get(path);
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { ...HEADERS, Allow: "GET, HEAD" }).end();
    } else if (asset === undefined) {
      response.writeHead(404, { ...HEADERS, "Content-Type": "text/plain" }).end("Not Found");
    } else {
      const { type, bytes } = asset;
      response.writeHead(200, { ...HEADERS, "Content-Type": type, "Content-Length": bytes.length });
      response.end(request.method === "HEAD" ? undefined : bytes);
    }
  };
}

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname } from "node:path";

/** Only what this server serves, and text never becomes markup. */
const policy = (scripts: string, trustedTypes: string) => [
  "default-src 'none'",
  `script-src ${scripts}`,
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  `trusted-types ${trustedTypes}`,
];

export const HEADERS = {
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
  readonly bytes: Buffer;
  readonly headers: Record<string, string | number>;
}

/** Files that are read once and served from memory. Nothing else can be asked for. */
export class Assets {
  readonly #assets = new Map<string, Asset>();

  /**
   * Serves a file's bytes, as they are, at a path.
   *
   * @param trustedTypes The policy by which a page may name scripts, if there is one.
   */
  async add(path: string, file: URL, trustedTypes = "'none'"): Promise<void> {
    const type = TYPES[extname(file.pathname)];
    if (type === undefined) return;
    const bytes = await readFile(file);
    const headers = {
      ...HEADERS,
      "Content-Type": type,
      "Content-Length": bytes.length,
      // Unchanged, it needn't be sent again.
      ETag: `"${createHash("sha256").update(bytes).digest("base64url")}"`,
      "Content-Security-Policy": policy(`'self'${importMapHash(type, bytes)}`, trustedTypes).join("; "),
    };
    this.#assets.set(path, { bytes, headers });
  }

  /** Serves the files of a directory under a path, and its `index.html`, if it has one, at the path itself. */
  async addDirectory(path: string, directory: URL): Promise<void> {
    for (const name of await readdir(directory)) {
      await this.add(name === "index.html" ? path : `${path}${name}`, new URL(name, directory));
    }
  }

  /** Serves a module, and those that it imports by a relative path. */
  async addModule(path: string, file: URL): Promise<void> {
    if (this.#assets.has(path)) return;
    await this.add(path, file);
    const text = this.#assets.get(path)?.bytes.toString() ?? "";
    for (const [, relative = ""] of text.matchAll(/\bfrom ['"](\.[^'"]+)['"]/g)) {
      await this.addModule(
        new URL(relative, new URL(path, "http://modules")).pathname,
        new URL(relative, file),
      );
    }
  }

  /** Answers a request for one of the files. */
  serve(path: string, request: IncomingMessage, response: ServerResponse): void {
    const asset = this.#assets.get(path);
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { ...HEADERS, Allow: "GET, HEAD" }).end();
    } else if (asset === undefined) {
      response.writeHead(404, { ...HEADERS, "Content-Type": "text/plain" }).end("Not Found");
    } else if (request.headers["if-none-match"] === asset.headers.ETag) {
      response.writeHead(304, asset.headers).end();
    } else {
      response.writeHead(200, asset.headers).end(request.method === "HEAD" ? undefined : asset.bytes);
    }
  }
}

/** An import map can't be a file of its own: it is the one script that a page may have inside, known by its hash. */
function importMapHash(type: string, bytes: Buffer): string {
  const map = type.startsWith("text/html") ? importMap(bytes.toString()) : null;
  return map === null ? "" : ` 'sha256-${createHash("sha256").update(map).digest("base64")}'`;
}

/** The text of a page's import map; null if it has none. */
export function importMap(html: string): string | null {
  return /<script type="importmap">([\s\S]*?)<\/script>/.exec(html)?.[1] ?? null;
}

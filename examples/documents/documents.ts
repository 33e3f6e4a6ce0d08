import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Logger } from "phoenix-channels-server";
import { Documents, Jwt, TenantSecrets } from "phoenix-channels-server/documents";
import { LmdbOpLog } from "phoenix-channels-server/lmdb";
import { type Assets, importMap } from "../assets.ts";
import type { Mount } from "../host.ts";
import { Api, TENANT } from "./api.ts";
import { DocumentsSocket, LibraryChannel, TextChannel } from "./channels.ts";
import { Library } from "./library.ts";
import { Snapshots } from "./snapshots.ts";

export interface DocumentsAppOptions {
  /** Where the log, the snapshots and the list of documents are kept. */
  readonly dataDir: string;
  /** Seconds that a token lasts. An open page gets the next one in time. @default 3_600 */
  readonly tokenLasts?: number;
  readonly logger?: Logger;
  /** Milliseconds that clients have to hear of the end. @default 5_000 */
  readonly closeTimeoutMs?: number;
}

/** The documents: their page at `/` and `/d/<id>`, their channels, their log and snapshots. */
export function documents(options: DocumentsAppOptions): Mount {
  const { dataDir, tokenLasts = 3_600, closeTimeoutMs = 5_000, logger } = options;
  return async (endpoint, assets) => {
    await mkdir(dataDir, { recursive: true });
    const library = await Library.open(join(dataDir, "library.json"), (err) => {
      logger?.error({ err }, "the list of documents couldn't be saved");
    });
    const snapshots = new Snapshots(join(dataDir, "snapshots"));
    await addAssets(assets);

    const tenants = new TenantSecrets();
    tenants.register(TENANT, await secret(join(dataDir, "secret")));
    const log = new LmdbOpLog({ path: join(dataDir, "log") });
    // What is confirmed is on the disk: less won't do.
    const store = new Documents({ tenants, log, require: { durability: "power" } });

    // Subclasses for this server, since they get this server's documents.
    class ServedChannel extends TextChannel {
      static override documents = store;
    }
    class ServedSocket extends DocumentsSocket {
      static override channels = {
        library: { channel: LibraryChannel, assigns: { library } },
        "document:*": { channel: ServedChannel, assigns: { library, snapshots } },
      };
    }
    endpoint.socket("/documents/socket", ServedSocket, {
      authToken: true,
      closeTimeout: closeTimeoutMs,
      // Somebody who types fast, with a cursor that moves along, makes about 40 messages a second.
      rateLimit: { limit: 1_000, interval: 10_000 },
    });

    const api = new Api({ jwt: new Jwt(tenants), store, library, snapshots, tokenLasts, logger });
    return {
      handleRequest: (path, request, response) => {
        if (api.handleRequest(path, request, response)) return true;
        // One page for the list and for every document; it looks at its own address.
        if (!/^\/d\/[a-z0-9]+$/.test(path)) return false;
        assets.serve("/", request, response);
        return true;
      },
      close: async () => {
        await store.close();
        await library.close();
      },
    };
  };
}

/** The page, and Yjs with what it is made of: modules that a browser takes as npm installed them. */
async function addAssets(assets: Assets): Promise<void> {
  const page = new URL("public/", import.meta.url);
  const index = new URL("index.html", page);
  await assets.addDirectory("/documents/", page);
  // It has a service worker, which may be loaded from the root only: there its scope is all pages.
  await assets.add("/", index, "worker");
  await assets.add("/worker.js", new URL("worker.js", page));
  const require = createRequire(import.meta.url);
  await assets.add("/modules/yjs.mjs", new URL("yjs.mjs", pathToFileURL(require.resolve("yjs"))));
  const lib0 = pathToFileURL(require.resolve("lib0/package.json"));
  const { imports } = JSON.parse(importMap(await readFile(index, "utf8")) ?? "{}") as Record<string, object>;
  for (const path of Object.values(imports ?? {}) as string[]) {
    if (!path.startsWith("/modules/lib0/")) continue;
    await assets.addModule(path, new URL(path.slice("/modules/lib0/".length), lib0));
  }
}

/** What tokens are signed with: made up once, and kept, so that they outlive a restart. */
async function secret(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const made = randomBytes(32).toString("base64url");
  await writeFile(path, made, { mode: 0o600, flush: true });
  return made;
}

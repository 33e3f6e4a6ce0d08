import { tabId } from "/shared/storage.js";

/** The tenant of the example's server. */
export const TENANT = "example";

/** What is asked for by HTTP: tokens, and the bytes of snapshots. Each rejects with `{code, reason}`. */
export class Api {
  #profile;
  #token = null;

  /** @param {{name: string | null, token: string}} profile Read at each request. */
  constructor(profile) {
    this.#profile = profile;
  }

  /** A new token for a document. */
  async token(document, mode) {
    const name = this.#profile.name ?? "Guest";
    const response = await request("/documents/token", {
      method: "POST",
      headers: { authorization: `Bearer ${this.#profile.token}`, "content-type": "application/json" },
      body: JSON.stringify({ document, mode, name, tab: tabId }),
    });
    this.#token = (await response.json()).token;
    return this.#token;
  }

  /** Stores a snapshot of the document that the last token was for. Resolves to its handle. */
  async putSnapshot(bytes) {
    const headers = { authorization: `Bearer ${this.#token}` };
    const response = await request("/documents/snapshots", { method: "POST", headers, body: bytes });
    return (await response.json()).handle;
  }

  async getSnapshot(handle) {
    const headers = { authorization: `Bearer ${this.#token}` };
    const response = await request(`/documents/snapshots/${handle}`, { headers });
    return new Uint8Array(await response.arrayBuffer());
  }
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw { reason: "The server can't be reached." };
  }
  if (response.ok) return response;
  const { reason } = await response.json().catch(() => ({}));
  throw { code: response.status, reason: reason ?? "The server has failed." };
}

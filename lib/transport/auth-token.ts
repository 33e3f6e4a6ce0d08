/** How the official client's `authToken` arrives: as one of the names in Sec-WebSocket-Protocol. */
const PREFIX = "base64url.bearer.phx.";
const SUBPROTOCOL = "phoenix";

export interface SubprotocolAuth {
  /** The token, decoded; null if there was none. */
  readonly authToken: string | null;
  /** The subprotocol to answer with; null for none. */
  readonly protocol: string | null;
}

/**
 * Reads the auth token and picks the subprotocol, as Phoenix does with `auth_token: true`. Null refuses: a
 * protocol was asked for and none of them is ours, or the token isn't base64.
 */
export function subprotocolAuth(header: string | undefined): SubprotocolAuth | null {
  const names = (header ?? "").split(",").map((name) => name.trim());
  const asked = names.filter((name) => name !== "");
  const tokens = asked.filter((name) => name.startsWith(PREFIX));
  let authToken: string | null = null;
  let protocols = asked;
  if (tokens.length === 1) {
    authToken = decodeToken(tokens[0]?.slice(PREFIX.length) ?? "");
    if (authToken === null) return null;
    protocols = asked.filter((name) => !name.startsWith(PREFIX));
  }
  if (protocols.length === 0) return { authToken, protocol: null };
  return protocols.includes(SUBPROTOCOL) ? { authToken, protocol: SUBPROTOCOL } : null;
}

/** Takes both alphabets of base64, with or without padding. Null if it is neither. */
function decodeToken(text: string): string | null {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text) || text.replace(/=+$/, "").length % 4 === 1) return null;
  const bytes = Buffer.from(text, "base64");
  const decoded = bytes.toString("utf8");
  // The client encodes with btoa, which writes one byte for a character up to U+00FF.
  return Buffer.from(decoded, "utf8").equals(bytes) ? decoded : bytes.toString("latin1");
}

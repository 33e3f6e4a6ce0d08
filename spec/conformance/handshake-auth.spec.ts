import { playHandshake } from "./handshake-player.ts";
import { replay } from "./replay.ts";

describe("conformance: upgrade requests and raw frames, with the auth token option", () => {
  replay("handshake-auth.json", { authToken: true }, playHandshake);
});

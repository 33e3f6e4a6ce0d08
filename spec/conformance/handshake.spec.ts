import { playHandshake } from "./handshake-player.ts";
import { replay } from "./replay.ts";

describe("conformance: upgrade requests and raw frames", () => {
  replay("handshake.json", {}, playHandshake);
});

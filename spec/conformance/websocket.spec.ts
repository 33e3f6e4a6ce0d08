import { replay } from "./replay.ts";
import { playWebSocket } from "./websocket-player.ts";

describe("conformance: frames over WebSocket", () => {
  replay("websocket.json", {}, playWebSocket);
});

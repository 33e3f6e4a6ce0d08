import { expect } from "chai";
import { Channel, Endpoint, ok, Socket } from "../../lib/index.ts";
import { simulate } from "../../lib/testing/simulation/simulation.ts";

class Room extends Channel {
  override join() { return ok({ hi: 1 }); }
  static { this.on("echo", (p) => ok(p)); }
}
class UserSocket extends Socket { static override channels = { "room:*": Room }; }

describe("simulate", () => {
  it("connects", async () => {
    const sim = simulate({ seed: 1, serve: (clock) => { const e = new Endpoint({ clock }); e.socket("/socket", UserSocket); return e; } });
    const c = sim.client("ada");
    c.socket.connect();
    const room = c.socket.channel("room:a");
    const got: unknown[] = [];
    room.join().receive("ok", (r) => got.push(r)).receive("timeout", () => got.push("timeout"));
    await sim.advance(1000);
    console.log(got, sim.endpoint.stats());
    await sim.advance(3600_000);
    console.log(room.state, sim.endpoint.stats().connections);
    await sim.close();
  });
});

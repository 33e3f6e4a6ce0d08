import { expect } from "chai";
import { Channel, Endpoint, ok, Socket } from "../../lib/index.ts";
import { Presence } from "../../lib/presence/index.ts";
import { type Simulation, simulate, type VirtualClock } from "../../lib/testing/index.ts";
import { readPage } from "../docs/markdown.ts";
import { afterTest } from "../support/teardown.ts";

/** A room that gives its list a second after the join. */
function serve(clock: VirtualClock): Endpoint {
  const endpoint = new Endpoint({ clock });
  const presence = new Presence(endpoint);
  class Room extends Channel {
    override async join(_topic: string, { user }: { user: string }) {
      await presence.track(this, user, {});
      this.sendSelf("list", { after: 1_000 });
      return ok();
    }
    override async handleInfo() {
      this.push("presence_state", await presence.list(this.topic));
    }
  }
  class UserSocket extends Socket {
    static override channels = { "room:*": Room };
  }
  endpoint.socket("/socket", UserSocket);
  return endpoint;
}

/** Somebody comes before ada's list does, and leaves while her connection is lost. Whom she sees in the end. */
async function seen(simulation: Simulation, atJoin: (presence: object) => void): Promise<string[]> {
  const person = (name: string) => {
    const { socket, Presence } = simulation.client(name);
    socket.connect();
    const room = socket.channel("room:a", { user: name });
    return { room, presence: new Presence(room) };
  };
  const ada = person("ada");
  ada.room.join().receive("ok", () => atJoin(ada.presence));
  await simulation.advance(100);
  const bob = person("bob");
  bob.room.join();
  await simulation.advance(500);
  simulation.fault({ at: 0, kind: "half-open", client: "ada", told: "down" });
  bob.room.leave();
  await simulation.calm();
  expect(ada.room.state).to.equal("joined");
  return ada.presence.list((key) => key).sort();
}

describe("the official client's Presence, whose connection is lost before its list comes", () => {
  function newSimulation(): Simulation {
    const simulation = simulate({ seed: 1, serve });
    afterTest(() => simulation.close());
    return simulation;
  }

  it("shows who has left meanwhile", async () => {
    expect(await seen(newSimulation(), () => {})).to.deep.equal(["ada", "bob"]);
  });

  it("doesn't, if it drops what it kept at each join, as docs/presence.md says", async () => {
    const [, advice = ""] =
      /`room\.join\(\)\.receive\("ok", (.*)\)`/.exec(readPage("docs/presence.md")) ?? [];
    expect(advice).to.include("presence.");
    const drop = (presence: object) => new Function("presence", `(${advice})()`)(presence);
    expect(await seen(newSimulation(), drop)).to.deep.equal(["ada"]);
  });
});

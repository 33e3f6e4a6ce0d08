import { expect } from "chai";
import { Channel, ok } from "../../lib/index.ts";
import { type Entries, Presence } from "../../lib/presence/index.ts";
import { newCase, UserSocket } from "./app.ts";

/** A room whose users are present. */
function presentRoom(make: (endpoint: ConstructorParameters<typeof Presence>[0]) => Presence) {
  const kit = newCase();
  const presence = make(kit.endpoint);
  class Present extends Channel<object, UserSocket> {
    override join() {
      this.sendSelf("after join");
      return ok();
    }
    override async handleInfo() {
      await presence.track(this, this.assigns.userId, { online: true });
      this.push("presence_state", await presence.list(this.topic));
    }
  }
  const enter = (userId: string) =>
    kit.socket(UserSocket, userId, { userId }).subscribeAndJoin(Present, "room:p");
  return { kit, presence, enter };
}

describe("presence in the kit", () => {
  it("brings presence_state and presence_diff, of joins and leaves", async () => {
    const { kit, enter } = presentRoom((endpoint) => new Presence(endpoint));
    const ada = await enter("ada");
    await ada.assertPush("presence_state", { ada: { metas: [{ online: true, phx_ref: kit.any(String) }] } });
    await ada.assertPush("presence_diff", { joins: { ada: kit.any(Object) }, leaves: {} });
    const bob = await enter("bob");
    await ada.assertPush("presence_diff", { joins: { bob: { metas: [{ online: true }] } } });
    await bob.close();
    await ada.assertPush("presence_diff", { joins: {}, leaves: { bob: { metas: [kit.any()] } } });
    await ada.refutePush("presence_diff");
  });

  it("waits for a fetch that no handler waits for", async () => {
    class Slow extends Presence {
      override async fetch(_topic: string, entries: Entries) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        return entries;
      }
    }
    const kit = newCase();
    const presence = new Slow(kit.endpoint);
    class Present extends Channel<object, UserSocket> {
      override async join() {
        await presence.track(this, this.assigns.userId, {});
        return ok();
      }
    }
    const room = await kit.socket(UserSocket, null, { userId: "ada" }).subscribeAndJoin(Present, "room:p");
    await room.assertPush("presence_diff", { joins: { ada: kit.any(Object) } });
  });

  it("waits for fetch and handleMetas, as for any handler", async () => {
    const handled: string[] = [];
    class Decorated extends Presence {
      override async fetch(_topic: string, entries: Entries) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        const decorated = Object.entries(entries).map(([key, entry]) => [
          key,
          { ...entry, name: key.toUpperCase() },
        ]);
        return Object.fromEntries(decorated) as Entries;
      }
      override async handleMetas() {
        await new Promise((resolve) => setTimeout(resolve, 5));
        handled.push("handled");
      }
    }
    const { kit, enter } = presentRoom((endpoint) => new Decorated(endpoint));
    const ada = await enter("ada");
    await ada.assertPush("presence_diff", { joins: { ada: { name: "ADA" } } });
    await kit.settle();
    expect(handled).to.deep.equal(["handled"]);
  });
});

import { expect } from "chai";
import {
  type Channel as ClientChannel,
  Presence as ClientPresence,
  type Socket as ClientSocket,
} from "phoenix";
import { Channel, type ConnectParams, Endpoint, type MountOptions, ok, Socket } from "../../lib/index.ts";
import { type Entries, Presence } from "../../lib/presence/index.ts";
import { Random } from "../../lib/testing/simulation/random.ts";
import { answer, joins, officialClient, TRANSPORTS, type TransportRow } from "../support/official-client.ts";
import { serve } from "../support/server.ts";
import { afterTest } from "../support/teardown.ts";

/** A presence that knows its users' names. */
class Users extends Presence {
  override async fetch(_topic: string, entries: Entries) {
    return Object.fromEntries(
      Object.entries(entries).map(([key, { metas }]) => [key, { metas, name: key.toUpperCase() }]),
    );
  }
}

/** An app that shows who is in a room. */
function app(presences: { of(endpoint: Endpoint): Presence }) {
  class Room extends Channel<object, UserSocket> {
    override join(_topic: string, payload: { device?: string }) {
      this.sendSelf({ device: payload.device ?? "" });
      return ok();
    }
    override async handleInfo(meta: { device: string }) {
      const presence = presences.of(this.endpoint);
      await presence.track(this, this.assigns.user, meta);
      this.push("presence_state", await presence.list(this.topic));
    }
    static {
      this.on("update", async function (meta: object) {
        await presences.of(this.endpoint).update(this, this.assigns.user, (old) => ({ ...old, ...meta }));
        return ok();
      });
      this.on("crash", () => {
        throw new Error("crash");
      });
    }
  }

  class UserSocket extends Socket<{ user: string }> {
    static override channels = { "room:*": Room };
    override connect(params: ConnectParams) {
      this.assigns.user = String(params.user);
      return ok();
    }
    override id() {
      return `users:${this.assigns.user}`;
    }
  }
  return UserSocket;
}

/** Serves the app. */
async function serveUsers(presenceClass: typeof Presence = Presence, mountOptions: MountOptions = {}) {
  const made = new Map<Endpoint, Presence>();
  const of = (endpoint: Endpoint) => {
    const presence = made.get(endpoint) ?? new presenceClass(endpoint);
    made.set(endpoint, presence);
    return presence;
  };
  const UserSocket = app({ of });
  const served = await serve(UserSocket, mountOptions);
  return {
    ...served,
    presence: of(served.endpoint),
    /** The same app in a new process, so to say. */
    async restart(): Promise<Endpoint> {
      const endpoint = new Endpoint();
      endpoint.socket("/socket", UserSocket, mountOptions);
      afterTest(() => endpoint.close({ timeoutMs: 0 }));
      await endpoint.listen(served.port, "127.0.0.1");
      return endpoint;
    },
  };
}

type Devices = Readonly<Record<string, readonly string[]>>;

/** What one client's Presence says, and all that it was told. */
class Watch {
  readonly socket: ClientSocket;
  readonly channel: ClientChannel;
  readonly presence: ClientPresence;
  /** `+` for a join and `-` for a leave, with the user, and how many devices he had before or still has. */
  readonly log: string[] = [];
  /** Who was there at each sync. */
  readonly syncs: Devices[] = [];
  readonly rejoined;
  #waiting: (() => void)[] = [];

  constructor(row: TransportRow, mount: string, user: string, device = "") {
    this.socket = officialClient(row, mount, { params: { user } });
    this.channel = this.socket.channel("room:a", { device });
    this.presence = new ClientPresence(this.channel);
    this.presence.onJoin((key, current) => this.log.push(`+${key} ${current?.metas.length ?? 0}`));
    this.presence.onLeave((key, current) => this.log.push(`-${key} ${current.metas.length}`));
    this.presence.onSync(() => {
      this.syncs.push(this.devices);
      for (const check of this.#waiting.splice(0)) check();
    });
    this.socket.connect();
    this.rejoined = joins(this.channel.join());
  }

  /** The devices of each user. */
  get devices(): Devices {
    return Object.fromEntries(
      this.presence.list((key, { metas }) => [key, metas.map(({ device }) => String(device)).sort()]),
    );
  }

  /** Resolves when these users are there, with these devices. */
  async sees(devices: Devices): Promise<this> {
    const text = (users: Devices) => JSON.stringify(Object.entries(users).sort());
    while (text(this.devices) !== text(devices) || this.presence.inPendingSyncState()) await this.#sync();
    return this;
  }

  #sync(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

for (const row of TRANSPORTS) {
  describe(`presence: the official client over ${row.name}`, () => {
    it("lists who is there, is synced when they come and go, and told who", async () => {
      const { mount } = await serveUsers();
      const ann = await new Watch(row, mount, "ann", "phone").sees({ ann: ["phone"] });
      const bob = await new Watch(row, mount, "bob", "tv").sees({ ann: ["phone"], bob: ["tv"] });
      await ann.sees(bob.devices);
      ann.log.length = 0;
      const laptop = await new Watch(row, mount, "ann", "laptop").sees({
        ann: ["laptop", "phone"],
        bob: ["tv"],
      });
      for (const each of [ann, bob]) await each.sees(laptop.devices);
      laptop.channel.leave();
      await ann.sees({ ann: ["phone"], bob: ["tv"] });
      bob.channel.leave();
      await ann.sees({ ann: ["phone"] });
      expect(ann.log).to.deep.equal(["+ann 1", "-ann 1", "-bob 0"]);
      expect(ann.syncs.at(-1)).to.deep.equal({ ann: ["phone"] });
    });

    it("gets updates without a moment in which the user is gone", async () => {
      const { mount } = await serveUsers();
      const ann = await new Watch(row, mount, "ann", "phone").sees({ ann: ["phone"] });
      const bob = await new Watch(row, mount, "bob", "tv").sees({ ann: ["phone"], bob: ["tv"] });
      bob.log.length = 0;
      for (const device of ["tablet", "watch", "laptop"]) {
        ann.channel.push("update", { device });
        await bob.sees({ ann: [device], bob: ["tv"] });
      }
      expect(bob.log).to.deep.equal(Array(3).fill(["+ann 1", "-ann 1"]).flat());
      expect(bob.syncs.every(({ ann: devices }) => devices?.length === 1)).to.equal(true);
      await ann.sees(bob.devices);
    });

    it("sees a user go whose connection ends", async () => {
      // A client that stops to poll is missed after two windows.
      const { mount } = await serveUsers(Presence, { longpoll: { windowMs: 20 } });
      const ann = await new Watch(row, mount, "ann").sees({ ann: [""] });
      const bob = await new Watch(row, mount, "bob").sees({ ann: [""], bob: [""] });
      ann.socket.disconnect();
      await bob.sees({ bob: [""] });
      ann.socket.connect();
      await bob.sees({ ann: [""], bob: [""] });
      await ann.sees({ ann: [""], bob: [""] });
    });

    it("comes back after a crash and a kick, once, and is right again", async () => {
      const { mount, endpoint } = await serveUsers();
      const ann = await new Watch(row, mount, "ann").sees({ ann: [""] });
      const bob = await new Watch(row, mount, "bob").sees({ ann: [""], bob: [""] });
      await ann.rejoined.next();
      for (const end of [() => ann.channel.push("crash", {}, 1), () => endpoint.disconnect("users:ann")]) {
        end();
        await ann.rejoined.next();
        await ann.sees({ ann: [""], bob: [""] });
        await bob.sees({ ann: [""], bob: [""] });
      }
      expect(bob.log.filter((line) => line === "-ann 0")).to.have.length(2);
      expect(ann.log.filter((line) => line.startsWith("-bob"))).to.deep.equal([]);
    });

    it("gets what fetch adds", async () => {
      const { mount } = await serveUsers(Users);
      const ann = await new Watch(row, mount, "ann").sees({ ann: [""] });
      await new Watch(row, mount, "bob").sees({ ann: [""], bob: [""] });
      await ann.sees({ ann: [""], bob: [""] });
      expect(ann.presence.list((_key, entry) => entry.name).sort()).to.deep.equal(["ANN", "BOB"]);
    });

    it("finds all of those again, and no other, whose server has restarted on its port", async () => {
      const { mount, endpoint, restart } = await serveUsers();
      const watches = ["ann", "bob", "eve"].map((user) => new Watch(row, mount, user));
      const all = { ann: [""], bob: [""], eve: [""] };
      for (const watch of watches) {
        await watch.sees(all);
        await watch.rejoined.next();
      }
      await endpoint.close();
      const second = await restart();
      for (const watch of watches) {
        await watch.rejoined.next();
        await watch.sees(all);
      }
      // The third one is gone when the server comes back.
      const [ann, bob, eve] = watches as [Watch, Watch, Watch];
      await second.close();
      eve.socket.disconnect();
      await restart();
      for (const watch of [ann, bob]) {
        await watch.rejoined.next();
        await watch.sees({ ann: [""], bob: [""] });
      }
      expect(ann.presence.list((_key, { metas }) => metas.length)).to.deep.equal([1, 1]);
    });

    it("agrees with the server in the end, after much coming and going", async () => {
      const { mount, presence } = await serveUsers(Users);
      const random = new Random(7);
      const watcher = await new Watch(row, mount, "watcher").sees({ watcher: [""] });
      const watches: Watch[] = [];
      for (let i = 0; i < 30; i++) {
        const there = watches.filter(({ channel }) => channel.state === "joined");
        if (there.length < 3 || random.chance(0.4)) {
          watches.push(new Watch(row, mount, `user ${random.below(4)}`, `${i}`));
          await watches.at(-1)?.rejoined.next();
        } else if (random.chance(0.5)) {
          await answer(random.pick(there).channel.push("update", { device: `${i}` }));
        } else {
          await answer(random.pick(there).channel.leave());
        }
      }
      const listed = await presence.list("room:a");
      const truth = Object.fromEntries(
        Object.entries(listed).map(([key, { metas }]) => [
          key,
          metas.map(({ device }) => String(device)).sort(),
        ]),
      );
      for (const watch of [watcher, ...watches]) {
        if (watch.channel.state === "joined") await watch.sees(truth);
      }
    });
  });
}

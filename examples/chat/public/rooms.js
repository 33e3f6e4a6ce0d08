/**
 * Which rooms there are, and how much was said in each since this tab looked. Events: "change", and "identity"
 * when the server has said who we are.
 */
export class Rooms extends EventTarget {
  /** Names with the last id that anybody has seen there; in the server's order. */
  #lastIds = new Map();
  #seen = new Map();
  #channel;
  #listed = false;

  /** @param {import("/modules/phoenix.mjs").Socket} socket */
  constructor(socket) {
    super();
    this.#channel = socket.channel("rooms");
    this.#channel.on("room", (room) => this.#update(room));
    this.#channel.on("activity", (room) => this.#update(room));
    // Called at each rejoin too.
    this.#channel.join().receive("ok", ({ rooms, name }) => {
      this.#lastIds = new Map(rooms.map((room) => [room.name, room.lastId]));
      for (const { name: room, lastId } of rooms) {
        // What was said before this page was opened doesn't count as unread, nor do ids of a lost history.
        const seen = this.#seen.get(room);
        if (!this.#listed || seen > lastId) this.#seen.set(room, lastId);
      }
      this.#listed = true;
      this.dispatchEvent(new CustomEvent("identity", { detail: { name } }));
      this.dispatchEvent(new Event("change"));
    });
  }

  get names() {
    return [...this.#lastIds.keys()];
  }

  unread(name) {
    return Math.max(0, (this.#lastIds.get(name) ?? 0) - (this.#seen.get(name) ?? 0));
  }

  markSeen(name) {
    if (this.unread(name) === 0) return;
    this.#seen.set(name, this.#lastIds.get(name));
    this.dispatchEvent(new Event("change"));
  }

  /** Resolves to the name as the server took it; rejects with an error reply. */
  create(name) {
    return ask(this.#channel, "create_room", { name });
  }

  setName(name) {
    return ask(this.#channel, "set_name", { name });
  }

  #update({ name, lastId }) {
    this.#lastIds.set(name, lastId);
    this.dispatchEvent(new Event("change"));
  }
}

function ask(channel, event, payload) {
  return new Promise((resolve, reject) => {
    channel
      .push(event, payload)
      .receive("ok", ({ name }) => resolve(name))
      .receive("error", reject)
      .receive("timeout", () => reject({ reason: "The server doesn't answer. Please try again." }));
  });
}

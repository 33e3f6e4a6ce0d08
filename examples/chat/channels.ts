import { Broadcast, Channel, type ConnectInfo, error, ok, Socket } from "phoenix-channels-server";
import type { Presence } from "phoenix-channels-server/presence";
import { personOf } from "../identity.ts";
import type { History } from "./history.ts";
import { CreateRoom, JoinRoom, NewMessage, SetName, SocketParams, Typing } from "./schemas.ts";

const MAX_ROOMS = 50;

interface Person {
  /** The same in all tabs of one browser. */
  author: string;
  name: string | null;
  tab: string;
}

/** One connection: a tab of a person's browser. */
export class UserSocket extends Socket<Person> {
  static override paramsSchema = SocketParams;

  override connect({ name, tab }: SocketParams, { authToken }: ConnectInfo) {
    const author = personOf(authToken);
    if (author === null) return error("no token");
    this.assigns = { author, name: name ?? null, tab };
    return ok();
  }

  override id() {
    return `person:${this.assigns.author}`;
  }
}

/** Where a person's channels, of all their tabs, hear of a new name. No client can join it. */
const namesOf = (author: string) => `names:${author}`;

/** The topic `rooms`: which rooms there are, where something was said, and the name of who is asking. */
export class RoomsChannel extends Channel<{ history: History }, UserSocket> {
  join() {
    return ok({ rooms: this.assigns.history.rooms(), name: this.socket.assigns.name });
  }

  static {
    this.on("set_name", SetName, function ({ name }) {
      // The socket's, which all channels of this connection look at.
      this.socket.assigns.name = name;
      this.endpoint.broadcast(namesOf(this.assigns.author), "renamed", { name });
      return ok({ name });
    });

    this.on("create_room", CreateRoom, async function ({ name }) {
      const { history } = this.assigns;
      if (!history.has(name) && history.rooms().length >= MAX_ROOMS) {
        return error({ reason: "There are too many rooms already." });
      }
      if (await history.createRoom(name)) this.broadcast("room", { name, lastId: 0 });
      return ok({ name });
    });
  }
}

interface RoomAssigns {
  history: History;
  presence: Presence;
  room: string;
  typing: boolean;
  /** The name under which everybody in the room sees this person; null if they don't yet. */
  shownAs: string | null;
}

/** The topics `room:<name>`: what is said there, who is there, and who is writing. */
export class RoomChannel extends Channel<RoomAssigns, UserSocket> {
  static override joinSchema = JoinRoom;

  join(topic: string, { epoch, after }: JoinRoom) {
    const { history, author } = this.assigns;
    const room = topic.slice("room:".length);
    if (!history.has(room)) return error({ reason: "no such room" });
    this.assigns.room = room;
    this.assigns.typing = false;
    this.assigns.shownAs = null;
    this.subscribe(namesOf(author));
    // The client isn't joined before the reply is out.
    this.sendSelf("joined");
    // The reply and the subscription are one step: what isn't in this list will be broadcast to this client.
    const messages = history.after(room, epoch === history.epoch ? after : 0);
    return ok({ epoch: history.epoch, messages, author });
  }

  override async handleInfo(message: unknown) {
    if (message instanceof Broadcast) {
      this.socket.assigns.name = (message.payload as SetName).name;
      await this.#showPresence();
    } else if (message === "joined") {
      await this.#showPresence();
      this.push("presence_state", await this.assigns.presence.list(this.topic));
    }
  }

  static {
    this.on("message", NewMessage, async function ({ key, body }) {
      const { history, room, author } = this.assigns;
      const { name } = this.socket.assigns;
      if (name === null) return error({ reason: "Please choose a name first." });
      this.assigns.typing = false;
      try {
        const { id } = await history.append(room, { key, body, author, name }, (message) => {
          this.broadcast("message", message);
          this.endpoint.broadcast("rooms", "activity", { name: room, lastId: message.id });
        });
        return ok({ id });
      } catch {
        return error({ reason: "The server could not save it." });
      }
    });

    this.on("typing", Typing, function ({ typing }) {
      this.#setTyping(typing);
    });
  }

  override terminate() {
    if (this.assigns.typing) this.#setTyping(false);
  }

  /** Each tab is a meta under its person's key. Who has no name yet looks on unseen. */
  async #showPresence() {
    const { presence, author, shownAs } = this.assigns;
    const { name, tab } = this.socket.assigns;
    if (name === null || name === shownAs) return;
    this.assigns.shownAs = name;
    if (shownAs === null) await presence.track(this, author, { name, tab });
    else await presence.update(this, author, { name, tab });
  }

  #setTyping(typing: boolean) {
    const { author, name } = this.socket.assigns;
    if (name === null) return;
    this.assigns.typing = typing;
    this.broadcastFrom("typing", { author, name, typing });
  }
}

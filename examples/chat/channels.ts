import { createHash } from "node:crypto";
import { Channel, type ConnectInfo, error, ok, Socket } from "phoenix-channels-server";
import type { History } from "./history.ts";
import { CreateRoom, JoinRoom, NewMessage, SetName, SocketParams, Typing } from "./schemas.ts";

const MAX_ROOMS = 50;

interface Person {
  /** The same in all tabs of one browser. */
  author: string;
  name: string | null;
}

/** One connection: a tab of a person's browser. */
export class UserSocket extends Socket<Person> {
  static override paramsSchema = SocketParams;

  override connect({ name }: SocketParams, { authToken }: ConnectInfo) {
    if (authToken === null || authToken.length < 16) return error("no token");
    // There are no accounts. The browser's token stays its own secret, and everybody may see what it hashes to.
    const author = createHash("sha256").update(authToken).digest("hex").slice(0, 16);
    this.assigns = { author, name: name ?? null };
    return ok();
  }

  override id() {
    return `person:${this.assigns.author}`;
  }
}

/** The topic `rooms`: which rooms there are, where something was said, and who is asking. */
export class RoomsChannel extends Channel<{ history: History }, UserSocket> {
  join() {
    const { author, name } = this.socket.assigns;
    return ok({ rooms: this.assigns.history.rooms(), author, name });
  }

  static {
    this.on("set_name", SetName, function ({ name }) {
      // The socket's, which all channels of this connection look at.
      this.socket.assigns.name = name;
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

/** The topics `room:<name>`. */
export class RoomChannel extends Channel<{ history: History; room: string; typing: boolean }, UserSocket> {
  static override joinSchema = JoinRoom;

  join(topic: string, { epoch, after }: JoinRoom) {
    const { history } = this.assigns;
    const room = topic.slice("room:".length);
    if (!history.has(room)) return error({ reason: "no such room" });
    this.assigns.room = room;
    this.assigns.typing = false;
    // The reply and the subscription are one step: what isn't in this list will be broadcast to this client.
    const messages = history.after(room, epoch === history.epoch ? after : 0);
    return ok({ epoch: history.epoch, messages, author: this.assigns.author });
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

  #setTyping(typing: boolean) {
    const { author, name } = this.socket.assigns;
    if (name === null) return;
    this.assigns.typing = typing;
    this.broadcastFrom("typing", { author, name, typing });
  }
}

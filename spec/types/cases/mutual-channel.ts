// The channel's file and the socket's import each other; the channel needs the socket's type only.

import { Channel, ok } from "../../../lib/index.ts";
import { expectType, type Same } from "./expect-type.ts";
import type { ChatSocket } from "./mutual-socket.ts";

export class ChatChannel extends Channel<{ lines: string[] }, ChatSocket> {
  override join() {
    this.assigns.lines = [];
    expectType<Same<typeof this.assigns.name, string>>();
    expectType<Same<ReturnType<typeof this.socket.greeting>, string>>();
    return ok({ name: this.assigns.name });
  }
  static {
    this.on("line", function (payload: { text: string }) {
      this.assigns.lines.push(`${this.assigns.name}: ${payload.text}`);
      return ok({ lines: this.assigns.lines });
    });
  }
}

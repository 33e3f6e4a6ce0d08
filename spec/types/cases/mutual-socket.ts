import { type ConnectParams, ok, Socket } from "../../../lib/index.ts";
import { expectType, type Same } from "./expect-type.ts";
import { ChatChannel } from "./mutual-channel.ts";

export class ChatSocket extends Socket<{ name: string }> {
  static override channels = {
    "chat:*": ChatChannel,
    "log:*": { channel: ChatChannel, assigns: { lines: [] } },
  };
  override async connect(params: ConnectParams) {
    this.assigns.name = String(params.name);
    return ok();
  }
  greeting(): string {
    return `hello ${this.assigns.name}`;
  }
}

expectType<Same<(typeof ChatSocket.channels)["chat:*"], typeof ChatChannel>>();

// The kit of documents knows the channel that a test names, and what comes over the wire.

import { type Claims, DocumentChannel, type SequencedOp } from "../../../lib/documents/index.ts";
import { ok, Socket } from "../../../lib/index.ts";
import { documentCase, type ReceivedSignal } from "../../../lib/testing/documents.ts";
import { expectType, type Same } from "./expect-type.ts";

class UserSocket extends Socket<{ userId: string }> {}

class Notes extends DocumentChannel<{ plan: string }, UserSocket> {
  override authorize(claims: Claims) {
    this.assigns.plan = claims.user.id;
    return ok();
  }
  peek(): number {
    return 1;
  }
}

class Room extends Socket {}

export async function typed() {
  const kit = documentCase({ tenant: "acme", document: "doc-1", channel: Notes });
  const ada = await kit.connectDocument({ user: "ada", mode: "write" });
  expectType<Same<typeof ada.channel, Notes>>();
  expectType<Same<typeof ada.assigns.plan, string>>();
  expectType<Same<ReturnType<typeof ada.channel.peek>, number>>();
  expectType<Same<typeof ada.mode, "read" | "write">>();
  expectType<Same<typeof ada.initialMessages, readonly SequencedOp[]>>();

  const again = await ada.reconnect();
  expectType<Same<typeof again.channel, Notes>>();
  const op = await again.assertOp({ contents: 1 });
  expectType<Same<typeof op, SequencedOp>>();
  const signal = await again.assertSignal();
  expectType<Same<typeof signal, ReceivedSignal>>();
  expectType<Same<ReturnType<typeof again.resend>, string | null>>();
  await kit.connectDocument({ socket: kit.socket(UserSocket, null, { userId: "1" }) });

  const plain = await documentCase().connectDocument();
  // @ts-expect-error without its class the channel has no more than every document channel
  plain.channel.peek();
  // @ts-expect-error a mode that doesn't exist
  await kit.connectDocument({ mode: "both" });
  // @ts-expect-error an option that doesn't exist
  await kit.connectDocument({ tenantId: "acme" });
  // @ts-expect-error scopes are a list
  kit.tokens.withScopes("doc:read");
  // @ts-expect-error a call that logs don't have
  kit.log.hold("write");
}

// @ts-expect-error a socket is no document channel
documentCase({ channel: Room });
// @ts-expect-error the time is always virtual
documentCase({ clock: "system" });

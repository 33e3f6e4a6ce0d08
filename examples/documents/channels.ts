import { Channel, type ConnectInfo, error, ok, Socket } from "phoenix-channels-server";
import { type Claims, type ClientOp, DocumentChannel } from "phoenix-channels-server/documents";
import { personOf } from "../identity.ts";
import type { Library } from "./library.ts";
import { Edit } from "./schemas.ts";
import type { Snapshots } from "./snapshots.ts";

/** One connection: a tab of a person's browser. */
export class DocumentsSocket extends Socket<{ person: string }> {
  override connect(_params: object, { authToken }: ConnectInfo) {
    const person = personOf(authToken);
    if (person === null) return error("no token");
    this.assigns = { person };
    return ok();
  }

  override id() {
    return `person:${this.assigns.person}`;
  }
}

/** The topic `library`: which documents there are, and what they are called. */
export class LibraryChannel extends Channel<{ library: Library }, DocumentsSocket> {
  join() {
    return ok({ documents: this.assigns.library.list() });
  }

  static {
    this.on("create", async function () {
      try {
        const entry = await this.assigns.library.create();
        if (entry === null) return error({ reason: "There are too many documents already." });
        this.broadcast("document", entry);
        return ok({ id: entry.id });
      } catch {
        return error({ reason: "The server could not save it." });
      }
    });
  }
}

/** The topics `document:example:<id>`. The class that it extends does all that keeps the clients together. */
export class TextChannel extends DocumentChannel<
  { library: Library; snapshots: Snapshots },
  DocumentsSocket
> {
  /** A token counts for the person only that has asked for it. */
  override authorize({ user }: Claims) {
    return user.id === this.assigns.person ? ok() : error({ message: "The token is another person's." });
  }

  /** What the other clients couldn't read is kept out of the log. */
  override beforeOps(ops: readonly ClientOp[]) {
    const wrong = ops.find(({ type, contents }) => type === "op" && !Edit.safeParse(contents).success);
    return wrong === undefined ? ok() : error({ message: "An edit is {update, about?}." });
  }

  /** The list of documents follows what is written in them. */
  override afterOps(ops: readonly ClientOp[]) {
    const { library } = this.assigns;
    for (const { contents, type } of ops) {
      if (type !== "op") continue;
      const { about } = contents as Edit;
      const entry = library.change(this.#document, { at: Date.now(), ...about });
      if (entry !== null && about !== undefined) this.endpoint.broadcast("library", "document", entry);
    }
  }

  /** A summary that nobody could load is refused. */
  override async resolveSummary(handle: string) {
    return this.assigns.snapshots.has(this.#document, handle);
  }

  get #document(): string {
    return this.client?.claims.documentId ?? "";
  }
}

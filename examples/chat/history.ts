import { randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";

const Message = z.object({
  /** 1, 2, 3, … in each room. */
  id: z.int().min(1),
  /** The sender's own id for the message. */
  key: z.string(),
  author: z.string(),
  name: z.string(),
  body: z.string(),
  /** Milliseconds since 1970. */
  at: z.number(),
});
export type Message = z.infer<typeof Message>;

/** A message before it is stored. */
export type Draft = Omit<Message, "id" | "at">;

const Header = z.object({ epoch: z.string() });
const Line = z.object({ room: z.string(), message: Message.optional() });
type Line = z.infer<typeof Line>;

interface RoomLog {
  lastId: number;
  /** The newest ones, oldest first. */
  readonly messages: Message[];
}

/**
 * The rooms and their newest messages: in memory, and in a file of JSON lines, so that both survive a restart.
 * What was stored is in the file before anybody sees it.
 */
export class History {
  /** Names this history: ids of one say nothing about another, such as the one before the file was deleted. */
  readonly epoch: string;
  readonly #keep: number;
  readonly #rooms = new Map<string, RoomLog>();
  #file: FileHandle | null = null;
  #size = 0;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(epoch: string, keep: number) {
    this.epoch = epoch;
    this.#keep = keep;
  }

  /**
   * Opens a file, or begins one.
   *
   * @param keep Messages kept in each room.
   */
  static async open(path: string, keep: number): Promise<History> {
    await mkdir(dirname(path), { recursive: true });
    const [first = "", ...lines] = (await readIfThere(path)).split("\n");
    const header = Header.safeParse(parse(first));
    // Better not to start than to write over a file that is something else.
    if (first !== "" && !header.success) throw new Error(`${path} isn't a history of this chat`);
    const history = new History(header.data?.epoch ?? randomUUID(), keep);
    for (const text of lines) {
      // A crash may have cut off the last line in the middle; its message was never confirmed to anybody.
      const line = Line.safeParse(parse(text));
      if (line.success) history.#apply(line.data);
    }
    await history.#rewrite(path);
    return history;
  }

  rooms(): { name: string; lastId: number }[] {
    return [...this.#rooms].map(([name, { lastId }]) => ({ name, lastId }));
  }

  has(room: string): boolean {
    return this.#rooms.has(room);
  }

  /** What a room still has after an id, oldest first. */
  after(room: string, id: number): Message[] {
    return this.#rooms.get(room)?.messages.filter((message) => message.id > id) ?? [];
  }

  /** Adds a room; false if it was there already. */
  createRoom(room: string): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.has(room)) return false;
      await this.#write({ room });
      this.#apply({ room });
      return true;
    });
  }

  /**
   * Stores a message, unless its author has stored it before, and returns it.
   *
   * @param stored Called in the order of ids, in the very step in which `after` begins to include the message: who
   * broadcasts from it leaves neither a gap nor an overlap to those who join at that moment.
   */
  append(room: string, draft: Draft, stored: (message: Message) => void): Promise<Message> {
    return this.#inTurn(async () => {
      const log = this.#rooms.get(room);
      if (log === undefined) throw new Error(`there is no room ${room}`);
      const earlier = log.messages.findLast(
        ({ key, author }) => key === draft.key && author === draft.author,
      );
      if (earlier !== undefined) return earlier;
      const message = { ...draft, id: log.lastId + 1, at: Date.now() };
      await this.#write({ room, message });
      this.#apply({ room, message });
      stored(message);
      return message;
    });
  }

  close(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#file?.close();
      this.#file = null;
    });
  }

  /** One write at a time, in the order of the calls. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => {});
    return turn;
  }

  #apply({ room, message }: Line): void {
    let log = this.#rooms.get(room);
    if (log === undefined) {
      log = { lastId: 0, messages: [] };
      this.#rooms.set(room, log);
    }
    if (message === undefined) return;
    log.lastId = message.id;
    log.messages.push(message);
    if (log.messages.length > this.#keep) log.messages.shift();
  }

  async #write(line: Line): Promise<void> {
    if (this.#file === null) throw new Error("the history is closed");
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    // At a position of our own: what a failed write left behind is written over by the next.
    await this.#file.write(bytes, 0, bytes.length, this.#size);
    this.#size += bytes.length;
  }

  /** Leaves out what isn't kept any more. The old file stands until the new one is whole. */
  async #rewrite(path: string): Promise<void> {
    const lines: (Line | z.infer<typeof Header>)[] = [{ epoch: this.epoch }];
    for (const [room, { messages }] of this.#rooms) {
      lines.push({ room }, ...messages.map((message) => ({ room, message })));
    }
    const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    await writeFile(`${path}.new`, bytes);
    await rename(`${path}.new`, path);
    this.#file = await open(path, "r+");
    this.#size = bytes.length;
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

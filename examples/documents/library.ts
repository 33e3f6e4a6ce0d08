import { randomInt } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { DocumentId } from "./schemas.ts";

const Entry = z.object({
  id: DocumentId,
  title: z.string(),
  /** How its text begins. */
  excerpt: z.string(),
  /** Milliseconds since 1970. */
  createdAt: z.number(),
  changedAt: z.number(),
});
export type Entry = z.infer<typeof Entry>;

const MAX_DOCUMENTS = 500;
const LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";

/** Which documents there are, and what they are called: in memory, and in a file of JSON. The texts are in the log. */
export class Library {
  readonly #path: string;
  readonly #entries: Map<string, Entry>;
  #saving: Promise<void> | null = null;
  #unsaved = false;
  readonly #onError: (error: unknown) => void;

  private constructor(path: string, entries: readonly Entry[], onError: (error: unknown) => void) {
    this.#path = path;
    this.#onError = onError;
    this.#entries = new Map(entries.map((entry) => [entry.id, entry]));
  }

  /**
   * Opens a library, or begins one.
   *
   * @param onError Told if a change can't be written. The next write has it too.
   */
  static async open(path: string, onError: (error: unknown) => void = () => {}): Promise<Library> {
    await mkdir(dirname(path), { recursive: true });
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "[]";
      throw error;
    });
    return new Library(path, z.array(Entry).parse(JSON.parse(text)), onError);
  }

  /** All documents, the last changed first. */
  list(): Entry[] {
    return [...this.#entries.values()].sort((a, b) => b.changedAt - a.changedAt);
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** Adds an empty document, once it is in the file; null if there are too many. */
  async create(): Promise<Entry | null> {
    if (this.#entries.size >= MAX_DOCUMENTS) return null;
    const id = Array.from({ length: 12 }, () => LETTERS[randomInt(LETTERS.length)]).join("");
    const now = Date.now();
    const entry = { id, title: "", excerpt: "", createdAt: now, changedAt: now };
    this.#entries.set(id, entry);
    try {
      await this.#save();
    } catch (error) {
      this.#entries.delete(id);
      throw error;
    }
    return entry;
  }

  /** Takes down that a document was changed, and how it begins if that is another. Returns its entry. */
  change(id: string, { at, title, excerpt }: { at: number; title?: string; excerpt?: string }): Entry | null {
    const entry = this.#entries.get(id);
    if (entry === undefined) return null;
    const changed = {
      ...entry,
      title: title ?? entry.title,
      excerpt: excerpt ?? entry.excerpt,
      changedAt: at,
    };
    this.#entries.set(id, changed);
    this.#save().catch(this.#onError);
    return changed;
  }

  /** Waits until all is in the file, or can't be. */
  async close(): Promise<void> {
    await (this.#unsaved ? this.#save() : this.#saving)?.catch(this.#onError);
  }

  /** One write at a time; what changes meanwhile is in the next. */
  #save(): Promise<void> {
    this.#unsaved = true;
    this.#saving ??= this.#write();
    return this.#saving;
  }

  async #write(): Promise<void> {
    try {
      while (this.#unsaved) {
        this.#unsaved = false;
        await writeFile(`${this.#path}.new`, JSON.stringify([...this.#entries.values()]));
        await rename(`${this.#path}.new`, this.#path);
      }
    } catch (error) {
      this.#unsaved = true;
      throw error;
    } finally {
      // In the very step that has looked for more.
      this.#saving = null;
    }
  }
}

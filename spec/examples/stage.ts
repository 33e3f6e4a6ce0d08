import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type Chat, type ChatOptions, startChat } from "../../examples/chat/chat.ts";
import { useChromium } from "../support/chromium.ts";
import { afterTest } from "../support/teardown.ts";
import { Person, pageErrors, type Visit } from "./person.ts";

/** What each test of a suite in the browser has: a chat of its own, and who visits it. */
export interface Stage {
  readonly dataDir: string;
  readonly chat: Chat;
  visit(name: string | null, options?: Partial<Visit>): Promise<Person>;
  /** Visits by several people at once. */
  visits<N extends string[]>(...names: N): Promise<{ [I in keyof N]: Person }>;
  /** Starts the chat again, where it was. */
  restart(options?: Partial<ChatOptions>): Promise<void>;
}

/** Sets the stage for a suite. No page may report an error in its tests. */
export function useStage(): Stage {
  const browser = useChromium();
  let dataDir: string;
  let chat: Chat;

  async function start(options: Partial<ChatOptions> = {}): Promise<void> {
    // Long-polling clients that have just gone are waited for in vain.
    const started = await startChat({ port: 0, dataDir, closeTimeoutMs: 500, ...options });
    afterTest(() => started.close());
    chat = started;
  }

  beforeEach(async () => {
    const made = await mkdtemp(join(tmpdir(), "chat-"));
    dataDir = made;
    afterTest(() => rm(made, { recursive: true }));
    await start();
  });

  afterEach("no page has reported an error", () => {
    expect(pageErrors.splice(0)).to.deep.equal([]);
  });

  const visit = (name: string | null, options: Partial<Visit> = {}) =>
    Person.visit(browser(), { name, url: chat.url, ...options });

  return {
    get dataDir() {
      return dataDir;
    },
    get chat() {
      return chat;
    },
    visit,
    visits: async (...names) => (await Promise.all(names.map((name) => visit(name)))) as never,
    restart: async (options) => {
      await chat.close();
      await start({ port: chat.port, ...options });
    },
  };
}

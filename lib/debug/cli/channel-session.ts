import type { PhoenixClient } from "../client/phoenix-client.ts";
import { Trace, type TracedFrame } from "../client/trace.ts";
import { Diagnosed, type Diagnosis } from "../doctor/diagnosis.ts";
import { connectDocument, type Environment, joinTopic, openClient } from "../doctor/session.ts";
import type { Connection } from "./connection-options.ts";
import type { Io } from "./io.ts";

/**
 * Connects, joins the topics, lets `use` work on them, and closes. Documents for which there is a token are
 * connected, too. Resolves to what went wrong, or null.
 *
 * @param mode In which documents are connected.
 */
export async function withSession(
  { target, token, secret, joinPayload, documentOf }: Connection,
  topics: readonly string[],
  mode: string,
  io: Io,
  use: (client: PhoenixClient) => Promise<Diagnosis | null>,
  onFrame: (traced: TracedFrame) => void = () => {},
): Promise<Diagnosis | null> {
  const { clock, signal } = io;
  const environment: Environment = { target, clock, signal, trace: new Trace(clock, onFrame) };
  let client: PhoenixClient | null = null;
  const cut = () => client?.cut();
  signal.addEventListener("abort", cut, { once: true });
  try {
    const opened = await openClient("", environment);
    client = opened.client;
    for (const topic of topics) {
      await joinTopic(client, topic, joinPayload, environment);
      const name = documentOf(topic);
      if (name !== null && token !== null) {
        await connectDocument(opened, topic, { name, token, secret }, mode, environment);
      }
    }
    const found = await use(client);
    if (found === null) await client.close();
    return found;
  } catch (error) {
    if (error instanceof Diagnosed) return error.diagnosis;
    throw error;
  } finally {
    signal.removeEventListener("abort", cut);
    cut();
  }
}

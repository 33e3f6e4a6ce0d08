import { play } from "./player.ts";
import { parts, type Scenario } from "./scenario.ts";
import { TcpClient } from "./tcp-client.ts";

/** Plays a scenario of upgrade requests and raw frames, over TCP. */
export function playHandshake(scenario: Scenario, port: number): Promise<void> {
  const clients = new Map<string, TcpClient>();
  const client = (conn: unknown): TcpClient => {
    const found = clients.get(String(conn));
    if (found === undefined) throw new Error(`${conn} hasn't been connected`);
    return found;
  };
  return play(
    scenario,
    {
      async connect(argument) {
        const { conn, request, split } = parts(argument, ["conn", "request", "split"], "connect");
        const lines = (request as string[]).map((line) => line.replaceAll("<host>", `127.0.0.1:${port}`));
        const connected = new TcpClient(port, lines[0]?.split(" ")[0]);
        clients.set(String(conn), connected);
        await connected.write(Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), split as number | undefined);
      },
      async frames(argument) {
        const { conn, list, split } = parts(argument, ["conn", "list", "split"], "frames");
        await client(conn).frames(list as unknown[], split as number | undefined);
      },
      end(conn) {
        client(conn).end();
      },
    },
    clients,
  );
}

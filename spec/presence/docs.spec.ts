import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { Presence as ClientPresence } from "phoenix";
import { Presence } from "../../lib/presence/index.ts";
import { code, readPage, rows, section, snippets } from "../docs/markdown.ts";
import { connectClient, run, runCompiler, workshop } from "../docs/workshop.ts";
import { Journal } from "../support/gate.ts";

const PAGE = "docs/presence.md";
const all = snippets(PAGE);

const used = new Set<number>();

/** The snippet that has this text. */
function snippet(text: string): string {
  const [found, ...others] = all.filter((each) => each.code.includes(text));
  if (found === undefined || others.length > 0) throw new Error(`${PAGE}: which snippet has "${text}"?`);
  used.add(found.line);
  return found.code;
}

const IMPORTS =
  'import { Channel, type ConnectParams, Endpoint, ok, Socket } from "phoenix-channels-server";\n';

/** What the page takes for granted: a socket whose users say who they are. */
const SOCKET = `
class UserSocket extends Socket<{ user: string; device: string }> {
  static override channels = { "room:*": RoomChannel };
  override connect({ user, device }: ConnectParams) {
    this.assigns.user = String(user);
    this.assigns.device = String(device);
    return ok();
  }
}
`;

const LISTEN = `
endpoint.socket("/socket", UserSocket);
const { port } = await endpoint.listen(0, "127.0.0.1");
console.log("http://127.0.0.1:" + port);
`;

const SERVER = snippet("class RoomChannel") + SOCKET + LISTEN;

/** The page's server, with one of its subclasses in the place of Presence. */
function server(subclass?: { name: string; program: string }): string {
  if (subclass === undefined) return IMPORTS + SERVER;
  const { name, program } = subclass;
  const rest = SERVER.replace('import { Presence } from "phoenix-channels-server/presence";\n', "");
  return IMPORTS + program + rest.replace("new Presence(endpoint)", `new ${name}(endpoint)`);
}

const decorated = {
  name: "UserPresence",
  program: `${snippet("class UserPresence")}
async function findUsers(ids: string[]) {
  return new Map(ids.map((id) => [id, { name: id.toUpperCase() }]));
}
`,
};

const reacting = {
  name: "RoomPresence",
  program: `${snippet("class RoomPresence")}
let said = 0;
const say = (what: string) => async (topic: string, user: string) =>
  console.log(++said + ": " + user + " is " + what + " in " + topic);
const markOnline = say("online");
const markAway = say("away");
`,
};

/** A client that is in the room, and its lists of who is. */
function enter(port: number, user: string, device: string) {
  const socket = connectClient(port, { params: { user, device } });
  const room = socket.channel("room:lobby");
  const presence = new ClientPresence(room);
  const lists = new Journal<unknown>();
  presence.onSync(() =>
    lists.add(presence.list((key, { metas, user }) => [key, metas.map(({ device }) => device), user])),
  );
  room.join();
  return { room, lists };
}

describe("docs/presence.md", function () {
  this.timeout(60_000);

  it("has a server whose clients see each other", async () => {
    const port = await (await run(await workshop(), "server.mts", server())).port();
    const ada = enter(port, "ada", "laptop");
    await ada.lists.reaches(1);
    const grace = enter(port, "grace", "phone");
    await grace.lists.reaches(1);
    expect(grace.lists.entries.at(-1)).to.have.deep.members([
      ["ada", ["laptop"], undefined],
      ["grace", ["phone"], undefined],
    ]);
    grace.room.leave();
    while ((ada.lists.entries.at(-1) as unknown[]).length > 1 || ada.lists.entries.length < 3) {
      await ada.lists.reaches(ada.lists.entries.length + 1);
    }
    expect(ada.lists.entries.at(-1)).to.deep.equal([["ada", ["laptop"], undefined]]);
  });

  it("has a client that prints who is there", async () => {
    const directory = await workshop(["phoenix", "ws"]);
    const port = await (await run(directory, "server.mts", server())).port();
    const [before, after, ...rest] = snippet("new Socket(").split('"/socket"');
    expect(rest).to.deep.equal([]);
    const browser = 'import { WebSocket } from "ws";\nglobalThis.WebSocket = WebSocket;\n';
    const program = `${browser}${before}"ws://127.0.0.1:${port}/socket"${after}`;
    await (await run(directory, "client.mjs", program)).line(/^ada on laptop$/);
  });

  it("decorates entries by one query", async () => {
    const port = await (await run(await workshop(), "server.mts", server(decorated))).port();
    const ada = enter(port, "ada", "laptop");
    await ada.lists.reaches(1);
    expect(ada.lists.entries[0]).to.deep.equal([["ada", ["laptop"], { name: "ADA" }]]);
  });

  it("reacts to the first device of a user, and to the end of the last", async () => {
    const running = await run(await workshop(), "server.mts", server(reacting));
    const port = await running.port();
    const laptop = enter(port, "ada", "laptop");
    await laptop.lists.reaches(1);
    await running.line(/^1: ada is online in room:lobby$/);
    const phone = enter(port, "ada", "phone");
    await phone.lists.reaches(1);
    laptop.room.leave();
    const grace = enter(port, "grace", "tv");
    await running.line(/^2: grace is online in room:lobby$/);
    phone.room.leave();
    await running.line(/^3: ada is away in room:lobby$/);
    grace.room.leave();
    await running.line(/^4: grace is away in room:lobby$/);
  });

  it("has TypeScript that compiles in an app with strict settings", async () => {
    const directory = await workshop();
    const typed = snippet("function showOnline");
    const programs = [server() + typed, server(decorated), server(reacting)];
    const files = programs.map((_, i) => `program-${i}.mts`);
    for (const [i, file] of files.entries()) await writeFile(join(directory, file), programs[i] ?? "");
    const options = { target: "ES2022", module: "NodeNext", strict: true, noEmit: true };
    await writeFile(
      join(directory, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: {
          ...options,
          noUncheckedIndexedAccess: true,
          noImplicitOverride: true,
          skipLibCheck: true,
        },
        files,
      }),
    );
    runCompiler(["-p", "."], directory);
  });

  it("has no snippet that isn't run or compiled here", () => {
    for (const text of ["new Socket(", "function showOnline"]) snippet(text);
    expect([...used].sort()).to.deep.equal(all.map(({ line }) => line).sort());
  });

  it("names every method", () => {
    const methods = Object.getOwnPropertyNames(Presence.prototype).filter((name) => name !== "constructor");
    for (const name of methods) expect(readPage(PAGE), name).to.match(new RegExp(`\`${name}\\(|\`${name}\``));
    const named = rows(section(PAGE, "The methods"), "method").map((row) => code(row.method).split("(")[0]);
    expect([...named, "fetch", "handleMetas"]).to.have.members(methods);
  });

  it("has the options with their defaults", () => {
    const listed = rows(section(PAGE, "Several nodes"), "option of `new Presence(endpoint, options)`");
    const column = "option of `new Presence(endpoint, options)`";
    expect(listed.map((row) => [code(row[column]), row.default])).to.deep.equal([
      ["name", "the class's name"],
      ["heartbeatMs", "1500"],
      ["downPeriodMs", "30000"],
    ]);
  });
});

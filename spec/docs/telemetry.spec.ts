import { expect } from "chai";
import { Registry } from "prom-client";
import { Endpoint, telemetry } from "../../lib/index.ts";
import { collectMetrics } from "../../lib/metrics.ts";
import { answer } from "../support/official-client.ts";
import { afterTest } from "../support/teardown.ts";
import { code, example, readPage, rows, section, source, sources } from "./markdown.ts";
import { connectClient, run, workshop } from "./workshop.ts";

const PAGE = "docs/telemetry.md";

/** All code in a cell: `a`, `b` */
function codes(cell: string | undefined): string[] {
  return [...(cell ?? "").matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "");
}

/** The fields of an interface of lib/telemetry.ts, with those that it inherits. */
function fieldsOf(name: string): string[] {
  const declaration = new RegExp(`interface ${name}(?: extends (\\w+))? \\{([^}]*)\\}`);
  const [, parent, body = ""] = declaration.exec(source("lib/telemetry.ts")) ?? [];
  if (body === "") throw new Error(`no interface ${name}`);
  const own = [...body.matchAll(/readonly (\w+)\??:/g)].map((match) => match[1] ?? "");
  return [...(parent === undefined ? [] : fieldsOf(parent)), ...own];
}

/** Collects a fresh endpoint's metrics. */
function metrics(): Map<string, { readonly type: string; readonly labels: readonly string[] }> {
  const register = new Registry();
  afterTest(collectMetrics(new Endpoint(), { register }));
  return new Map(
    register.getMetricsAsArray().map((metric) => {
      // prom-client keeps them on its metrics, and not in their types.
      const { name, labelNames = [] } = metric as unknown as { name: string; labelNames?: readonly string[] };
      return [name, { type: metric.constructor.name.toLowerCase(), labels: labelNames }];
    }),
  );
}

describe("docs/telemetry.md", () => {
  it("quotes log lines as the library writes them", () => {
    // Template strings and plain ones, as they stand in the source.
    const library = sources()
      .map(source)
      .join("\n")
      .replaceAll(/\$\{[^}]*\}/g, "<>");
    const pieces = rows(section(PAGE, "Log lines"), "level").flatMap((row) =>
      code(row.line)
        .split(/<[^>]+>/)
        .map((piece) => piece.trim())
        .filter((piece) => /\w{3}/.test(piece)),
    );
    expect(pieces).to.have.length.above(12);
    expect(pieces.filter((piece) => !library.includes(piece))).to.deep.equal([]);
  });

  it("lists each event, its channel and its fields", () => {
    const types = new Map(
      [...readPage("lib/telemetry.ts").matchAll(/: `(\w+)`\. \*\/\s+(\w+): channel\(/g)].map(
        ([, type = "", key = ""]) => [key, type],
      ),
    );
    const listed = rows(section(PAGE, "Events"), "`telemetry.`").map((row) => [
      code(row["`telemetry.`"]),
      code(row.channel),
      ...codes(row.fields).sort(),
    ]);
    expect(listed).to.have.deep.members(
      Object.entries(telemetry).map(([key, { name }]) => [
        key,
        name,
        ...fieldsOf(types.get(key) ?? "").sort(),
      ]),
    );
  });

  it("says what each field means, and no other", () => {
    const events = rows(section(PAGE, "Events"), "`telemetry.`");
    const named = rows(section(PAGE, "Events"), "field").flatMap((row) => codes(row.field));
    expect(named).to.have.members([...new Set(events.flatMap((row) => codes(row.fields)))]);
  });

  it("lists each metric, its type and its labels", () => {
    const listed = rows(section(PAGE, "Metrics"), "name").map((row) => [
      code(row.name),
      { type: row.type, labels: codes(row.labels) },
    ]);
    expect(listed).to.have.deep.members([...metrics()]);
  });

  it("asks for metrics and labels that there are", () => {
    const known = metrics();
    const text = section(PAGE, "Panels and alerts");
    const queries = [
      ...rows(text, "panel").flatMap((row) => codes(row.query)),
      ...rows(text, "alert").flatMap((row) => codes(row.condition)),
    ];
    expect(queries).to.have.length.above(15);
    for (const query of queries) {
      const names = [...query.matchAll(/phoenix_\w+/g)].map(([name]) =>
        name.replace(/_(bucket|count|sum)$/, ""),
      );
      const labels = names.flatMap((name) => {
        expect([...known.keys()], query).to.include(name);
        return known.get(name)?.labels ?? [];
      });
      const used = [...query.matchAll(/by \(([^)]*)\)|\{(\w+)=/g)].flatMap(([, by, is]) =>
        (by ?? is ?? "").split(", "),
      );
      expect(["le", ...labels], query).to.include.members(used);
    }
  });
});

describe("the examples in docs/telemetry.md", function () {
  this.timeout(60_000);

  it("slow.mjs: prints which handlers are slow", async () => {
    const server = await run(await workshop(), "slow.mjs", example(PAGE, "slow.mjs"));
    const room = connectClient(await server.port()).channel("room:lobby");
    await answer(room.join());
    await answer(room.push("report", {}));
    await server.line(/^slow: RoomChannel took \d+ ms for report$/);
  });

  it("metrics.mjs: Prometheus finds the metrics, and the app's server stays the app's", async () => {
    const server = await run(await workshop(["prom-client"]), "metrics.mjs", example(PAGE, "metrics.mjs"));
    const port = await server.port();
    const room = connectClient(port).channel("room:lobby");
    expect(await answer(room.join())).to.deep.equal({ status: "ok", response: {} });
    const scraped = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(scraped.split("\n")).to.include.members([
      "phoenix_connections 1",
      "phoenix_channels 1",
      'phoenix_joins_total{channel="RoomChannel",result="ok"} 1',
    ]);
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).to.equal(404);
  });
});

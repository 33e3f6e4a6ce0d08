import assert from "node:assert/strict";
import type { DocumentName } from "../../documents/log/op-log.ts";
import type { Case, Trial } from "./trial.ts";

/** Names that are the same if tenant and document are joined by one of these. */
const SEPARATORS = [":", "/", "\0", ".", "-", "|", " ", "", "\u001f", "\u{10ffff}"];

/** An id may have so many bytes of UTF-8. */
const MAX_ID_BYTES = 256;

/** An id of the most bytes, of which few letters have one. */
function longest(start: string, end: string): string {
  const room = MAX_ID_BYTES - Buffer.byteLength(start + end);
  const id = `${start}${"x".repeat(room % 3)}${"€".repeat(Math.floor(room / 3))}${end}`;
  assert.equal(Buffer.byteLength(id), MAX_ID_BYTES);
  return id;
}

/** Each document has its own records, also when there are others with names like it. */
async function apart(trial: Trial, names: readonly DocumentName[]): Promise<void> {
  const chains = [];
  for (const [i, name] of names.entries()) chains.push(await trial.grow(name, [i + 1, 1]));
  for (const [i, name] of names.entries()) await trial.holds(name, chains[i] ?? []);
}

export const nameCases: readonly Case[] = [
  {
    name: "keeps names apart that are the same when they are joined",
    async run(trial) {
      for (const separator of SEPARATORS) {
        const start = `${trial.unique}${separator}`;
        await apart(trial, [
          { tenant: `${start}a`, document: `b${separator}c` },
          { tenant: `${start}a${separator}b`, document: "c" },
        ]);
      }
    },
  },
  {
    name: "keeps names apart that differ in case, or in how a letter is composed",
    async run(trial) {
      const documents = [
        "é",
        "e\u0301",
        "É",
        "K",
        "\u212a",
        "k",
        "ı",
        "i",
        "ﬁ",
        "fi",
        "a",
        "a ",
        " a",
        "a\n",
        "🂡",
      ];
      const tenant = trial.unique;
      await apart(
        trial,
        documents.map((document) => ({ tenant, document })),
      );
      await apart(
        trial,
        documents.map((document) => ({ tenant: `${tenant}${document}`, document: "1" })),
      );
    },
  },
  {
    name: "takes ids that mean something to JavaScript or to an engine",
    async run(trial) {
      const ids = [
        "__proto__",
        "constructor",
        "toString",
        "length",
        "0",
        "-1",
        "null",
        "*",
        ">",
        "..",
        "{a}",
        "%00",
      ];
      const tenant = trial.unique;
      await apart(
        trial,
        ids.map((document) => ({ tenant, document })),
      );
      await apart(
        trial,
        ids.map((id) => ({ tenant: id, document: tenant })),
      );
    },
  },
  {
    name: "takes ids of 256 bytes",
    async run(trial) {
      const one = longest(trial.unique, "1");
      const two = longest(trial.unique, "2");
      await apart(trial, [
        { tenant: one, document: one },
        { tenant: one, document: two },
        { tenant: two, document: one },
        { tenant: one.slice(0, -1), document: one },
      ]);
    },
  },
];

import { AssertionError } from "node:assert";
import { expect } from "chai";
import { ConfigError } from "../../lib/index.ts";
import { any, compare } from "../../lib/testing/match.ts";

/** Where they differ. */
function paths(value: unknown, pattern: unknown): string[] {
  return compare(value, pattern).differences.map(({ path }) => path);
}

describe("patterns", () => {
  class Thing {}
  const asymmetric = { asymmetricMatch: (value: unknown) => value === 1 };

  for (const [what, value, pattern] of [
    ["an equal scalar", 1, 1],
    ["NaN", Number.NaN, Number.NaN],
    ["null", null, null],
    ["a part of an object", { a: 1, b: 2 }, { a: 1 }],
    ["nothing of an object", { a: 1 }, {}],
    ["a part of a nested object", { a: { b: { c: 1, d: 2 }, e: 3 } }, { a: { b: { c: 1 } } }],
    ["a list, item by item", [1, { a: 1, b: 2 }], [1, { a: 1 }]],
    ["an absent key", { a: 1 }, { b: undefined }],
    ["a predicate", { n: 5 }, { n: (n: number) => n > 4 }],
    ["a RegExp", "hello", /^he/],
    ["a RegExp with a memory", "hello", /l/g],
    ["bytes", new Uint8Array([1, 2]), Buffer.from([1, 2])],
    ["any String", "", any(String)],
    ["any Number", 0, any(Number)],
    ["any Boolean", false, any(Boolean)],
    ["any Array", [], any(Array)],
    ["any Object", {}, any(Object)],
    ["any class", new Thing(), any(Thing)],
    ["anything", 0, any()],
    ["an asymmetric matcher", { n: 1 }, { n: asymmetric }],
    ["__proto__ as a key", JSON.parse('{"__proto__": {"a": 1}}'), JSON.parse('{"__proto__": {"a": 1}}')],
  ] as const) {
    it(`match ${what}`, () => {
      expect(compare(value, pattern).differences).to.deep.equal([]);
    });
  }

  for (const [what, value, pattern, where] of [
    ["another scalar", 1, 2, [""]],
    ["a string for a number", "1", 1, [""]],
    ["a missing key", {}, { a: 1 }, [".a"]],
    ["a key that must be absent", { a: 1 }, { a: undefined }, [".a"]],
    ["several keys, nested", { a: { b: 1 }, c: 2 }, { a: { b: 2 }, c: 3 }, [".a.b", ".c"]],
    ["an item", [1, 2], [1, 3], ["[1]"]],
    ["a longer list", [1, 2, 3], [1, 2], [""]],
    ["a list for an object", [], {}, [""]],
    ["an object for a list", { 0: 1 }, [1], [""]],
    ["null for an object", null, {}, [""]],
    ["a strange key", { "a-b": 1 }, { "a-b": 2 }, ['["a-b"]']],
    ["bytes", new Uint8Array([1]), new Uint8Array([2]), [""]],
    ["bytes for an object", new Uint8Array([1]), {}, [""]],
    ["a RegExp and a number", 5, /5/, [""]],
    ["any String and a number", 5, any(String), [""]],
    ["anything and null", null, any(), [""]],
    ["an asymmetric matcher", { n: 2 }, { n: asymmetric }, [".n"]],
    ["an inherited name", {}, { toString: any() }, [".toString"]],
  ] as const) {
    it(`don't match ${what}`, () => {
      expect(paths(value, pattern)).to.deep.equal(where);
    });
  }

  it("say what a predicate did that wasn't true", () => {
    const said = (predicate: (value: unknown) => unknown) => compare(1, predicate).differences[0]?.expected;
    expect(said(() => false)).to.equal("what a function says true to");
    expect(said(function isOdd() {})).to.equal("what isOdd() says true to, which returned undefined");
    expect(
      said(() => {
        throw new AssertionError({ message: "no\nmore" });
      }),
    ).to.equal("what a function takes, which threw: no");
  });

  it("refuse a class, which is always meant as any(class)", () => {
    for (const wrong of [String, Number, Boolean, Object, Array, Date, Thing]) {
      expect(() => compare({ a: "x" }, { a: wrong })).to.throw(ConfigError, `write kit.any(${wrong.name})`);
    }
    expect(() => any("String" as never)).to.throw(ConfigError, 'got "String"');
  });

  it("put their parts in the place of what differs", () => {
    const value = { a: 1, b: { c: "x", d: 2 }, e: [1, 2], f: "kept" };
    expect(compare(value, { a: any(String), b: { c: /y/ }, e: [1, 3], g: 4 }).expected).to.deep.equal({
      a: "<any String>",
      b: { c: "<a string that matches /y/>", d: 2 },
      e: [1, 3],
      f: "kept",
      g: 4,
    });
    expect(compare(value, { a: 1 }).expected).to.deep.equal(value);
  });
});

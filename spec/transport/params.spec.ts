import { expect } from "chai";
import fc from "fast-check";
import { type ConnectParams, ok, Socket } from "../../lib/index.ts";
import { decodeParams, InvalidQueryError } from "../../lib/transport/params.ts";
import { connect, refused } from "../support/client.ts";
import { serve } from "../support/server.ts";

/** Compares with plain objects: params have no prototype. */
function decoded(query: string): unknown {
  return JSON.parse(JSON.stringify(decodeParams(query)));
}

describe("params of a connection", () => {
  it("are names and values", () => {
    expect(decoded("foo=bar&baz=bat")).to.deep.equal({ foo: "bar", baz: "bat" });
    expect(decoded("")).to.deep.equal({});
    expect(decoded("key")).to.deep.equal({ key: "" });
    expect(decoded("key=")).to.deep.equal({ key: "" });
    expect(decoded("=value")).to.deep.equal({ "": "value" });
    expect(decoded("=")).to.deep.equal({ "": "" });
    expect(decoded("a=b=c")).to.deep.equal({ a: "b=c" });
    expect(decoded("&x=1&&y=2&")).to.deep.equal({ x: "1", y: "2" });
  });

  it("the last value counts", () => {
    expect(decoded("foo=bar&foo=baz")).to.deep.equal({ foo: "baz" });
    expect(decoded("x[y][z]=1&x[y][z]=2")).to.deep.equal({ x: { y: { z: "2" } } });
  });

  it("are percent-decoded, and + is a space", () => {
    expect(decoded("my+weird+field=q1%212%22%27w%245%267%2Fz8%29%3F")).to.deep.equal({
      "my weird field": "q1!2\"'w$5&7/z8)?",
    });
    expect(decoded("a=%2B+%26%3D&%F0%9F%98%80=%C3%A9")).to.deep.equal({ a: "+ &=", "😀": "é" });
    expect(decoded("user%5Bid%5D=7")).to.deep.equal({ user: { id: "7" } });
  });

  it("groups: user[id]=7", () => {
    expect(decoded("users[name]=hello&users[age]=17&users[address][street]=foo")).to.deep.equal({
      users: { name: "hello", age: "17", address: { street: "foo" } },
    });
  });

  it("lists: ids[]=1&ids[]=2", () => {
    expect(decoded("foo[]=bar&foo[]=baz&bat[]=1&bat[]=2")).to.deep.equal({
      foo: ["bar", "baz"],
      bat: ["1", "2"],
    });
    expect(decoded("foo[]")).to.deep.equal({ foo: [""] });
    expect(decoded("x[y][z][]=1&x[y][z][]=2")).to.deep.equal({ x: { y: { z: ["1", "2"] } } });
    expect(decoded("x[y][][z]=1")).to.deep.equal({ x: { y: [{ z: "1" }] } });
    expect(decoded("x[y][][z][]=1")).to.deep.equal({ x: { y: [{ z: ["1"] }] } });
  });

  it("lists in lists", () => {
    expect(decoded("x[][][]=1")).to.deep.equal({ x: [[["1"]]] });
  });

  it("of two kinds, the last kind wins", () => {
    expect(decoded("x[]=1&x[y]=1")).to.deep.equal({ x: { y: "1" } });
    expect(decoded("x[y]=1&x[]=1")).to.deep.equal({ x: ["1"] });
    expect(decoded("x=1&x[y]=1")).to.deep.equal({ x: { y: "1" } });
    expect(decoded("x[y]=1&x=1")).to.deep.equal({ x: "1" });
    expect(decoded("x[y][][w]=2&x[y]=1")).to.deep.equal({ x: { y: "1" } });
    expect(decoded("x[y][0][w]=2&x[y]=1")).to.deep.equal({ x: { y: "1" } });
  });

  it("brackets that make no group are part of the name", () => {
    for (const name of ["foo]", "foo[", "foo[bar", "foo[bar]baz", "[foo]", "[]", "]", "["]) {
      expect(decoded(`${name}=1`), name).to.deep.equal({ [name]: "1" });
    }
    expect(decoded("a[b]c]=1")).to.deep.equal({ a: { "b]c": "1" } });
  });

  it("have no prototype at any depth, so that any name is only a name", () => {
    const params = decodeParams(
      "__proto__[admin]=1&constructor[prototype][admin]=1&a[__proto__][x]=1&b[][toString]=1",
    );
    const own = Object.values(Object.getOwnPropertyDescriptors(params)).map(({ value }) => value as unknown);
    expect(own).to.have.length(4);
    for (const group of [params, ...own].map((value) =>
      Array.isArray(value) ? (value[0] as object) : value,
    )) {
      expect(Object.getPrototypeOf(group)).to.equal(null);
    }
    expect(Object.keys(params)).to.have.members(["__proto__", "constructor", "a", "b"]);
    expect(({} as Record<string, unknown>).admin).to.equal(undefined);
    expect(params.hasOwnProperty).to.equal(undefined);
  });

  it("that aren't percent-encoded UTF-8 throw", () => {
    for (const query of ["a=%", "a=%2", "a=%R2", "%R2=a", "a=%ff", "a=%C3", "a=%ED%A0%80", "a[%ff]=1"]) {
      expect(() => decodeParams(query), query).to.throw(InvalidQueryError);
    }
  });

  it("of any kind decode to strings, lists and groups, or throw InvalidQueryError", () => {
    const piece = fc.constantFrom(
      "a",
      "b",
      "[",
      "]",
      "[]",
      "][",
      "=",
      "&",
      "%",
      "%41",
      "+",
      "é",
      "__proto__",
    );
    const query = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(""));
    const check = (value: unknown): void => {
      if (typeof value === "string") return;
      if (Array.isArray(value)) {
        expect(value).not.to.have.length(0);
        value.forEach(check);
        return;
      }
      expect(Object.getPrototypeOf(value)).to.equal(null);
      Object.values(value as object).forEach(check);
    };
    fc.assert(
      fc.property(query, (text) => {
        let params: unknown;
        try {
          params = decodeParams(text);
        } catch (error) {
          expect(error).to.be.instanceOf(InvalidQueryError);
          return;
        }
        check(params);
      }),
      { numRuns: 3_000 },
    );
  });

  it("may be as deep and as many as a request line can hold", () => {
    expect(decodeParams(`a${"[b]".repeat(50_000)}=1`)).to.have.property("a");
    expect(decodeParams(`a${"[]".repeat(50_000)}=1`)).to.have.property("a");
    expect(
      Object.keys(decodeParams(Array.from({ length: 50_000 }, (_, i) => `k${i}=`).join("&"))),
    ).to.have.length(50_000);
    expect(decodeParams("a[]=1&".repeat(50_000)).a).to.have.length(50_000);
  });

  describe("at the server", () => {
    function recording() {
      const seen: ConnectParams[] = [];
      class Recording extends Socket {
        override connect(params: ConnectParams) {
          seen.push(params);
          return ok();
        }
      }
      return { Recording, seen };
    }

    it("reach connect as decoded, vsn among them", async () => {
      const { Recording, seen } = recording();
      const { url } = await serve(Recording);
      await connect(url, "vsn=2.0.0&user[id]=7&ids[]=1&ids[]=2&name=M%C3%BCller+%26+S%C3%B6hne");
      expect(JSON.parse(JSON.stringify(seen[0]))).to.deep.equal({
        vsn: "2.0.0",
        user: { id: "7" },
        ids: ["1", "2"],
        name: "Müller & Söhne",
      });
      expect(Object.getPrototypeOf(seen[0])).to.equal(null);
    });

    it("that can't be decoded are answered with 400", async () => {
      const { Recording, seen } = recording();
      const { url } = await serve(Recording);
      for (const query of ["vsn=2.0.0&a=%ff", "vsn=2.0.0&a=%", "%R2=1&vsn=2.0.0"]) {
        expect(await refused(url, query), query).to.include({ status: 400 });
      }
      expect(seen).to.deep.equal([]);
    });

    it("question marks after the first belong to the query", async () => {
      const { Recording, seen } = recording();
      const { url } = await serve(Recording);
      await connect(url, "vsn=2.0.0&a=what?&?b=1");
      expect({ ...seen[0] }).to.deep.equal({ vsn: "2.0.0", a: "what?", "?b": "1" });
      await connect(url, "?c=1&vsn=2.0.0");
      expect({ ...seen[1] }).to.deep.equal({ vsn: "2.0.0", "?c": "1" });
    });
  });
});

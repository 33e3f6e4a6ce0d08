import { expect } from "chai";
import { handServer } from "../support/hand-server.ts";
import { run } from "../support/run.ts";

const URL = "ws://127.0.0.1:9/socket";

describe("the command line", () => {
  it("says what is wrong with it, and exits with 64", async () => {
    const cases: [argv: string[], complaint: string][] = [
      [["doctor"], "missing required argument 'url'"],
      [["doctor", URL, "more"], "too many arguments"],
      [["doctor", URL, "--nonsense"], "unknown option '--nonsense'"],
      [["doctr", URL], "unknown command 'doctr'"],
      [["doctor", "localhost"], "the URL must begin with ws://"],
      [["doctor", "ftp://localhost/"], "the URL must begin with ws://"],
      [["doctor", URL, "--timeout", "soon"], "It takes a number of milliseconds, from 1 to 3600000."],
      [["doctor", URL, "--timeout", "0"], "milliseconds"],
      [["doctor", URL, "--mode", "append"], "Allowed choices are read, write"],
      [["doctor", URL, "--push", "shout"], "--push needs a --topic"],
      [
        ["doctor", URL, "-t", "room:a", "--push", "shout", "{}", "more"],
        "--push takes an event and its payload",
      ],
      [["doctor", URL, "-t", "room:a", "--push", "shout", "{body}"], "--push isn't JSON"],
      [["doctor", URL, "-t", "room:a", "--expect", "x"], "--expect needs a --push"],
      [["doctor", URL, "-t", "room:a", "--join", "{"], "--join isn't JSON"],
      [["doctor", URL, "-t", "document:a:b", "--submit", "[]"], "--submit takes an object"],
      [["doctor", URL, "--param", "token"], "--param takes name=value"],
      [["doctor", URL, "--header", "Cookie"], "--header takes"],
      [["doctor", URL, "--token", "x", "--token-as", "cookie"], "--token-as takes document, param"],
      [["tap", URL], "required option '-t, --topic <topic>' not specified"],
      [["tap", URL, "-t", "room:a", "-n", "-1"], "messages"],
      [["send", URL, "-t", "room:a"], "missing required argument 'event'"],
      [["send", URL, "-t", "room:a", "x", "{"], "the payload isn't JSON"],
    ];
    for (const [argv, complaint] of cases) {
      const { code, stdout, stderr } = await run(argv);
      expect({ code, stdout }, argv.join(" ")).to.deep.equal({ code: 64, stdout: "" });
      expect(stderr)
        .to.match(/^error: .*\n$/)
        .and.include(complaint);
    }
  });

  it("shows the commands if there is none", async () => {
    const { code, stderr } = await run([]);
    expect(code).to.equal(64);
    expect(stderr).to.match(/^Usage: phoenix-channels-server/);
  });

  it("has help and a version", async () => {
    const help = await run(["--help"]);
    expect(help).to.include({ code: 0, stderr: "" });
    for (const command of ["doctor", "decode", "tap", "send"])
      expect(help.stdout).to.include(`  ${command} `);
    const { code, stdout } = await run(["--version"]);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^\d+\.\d+\.\d+\n$/);
  });

  it("passes on a defect of its own as one", async () => {
    const { code, stderr } = await run(["decode", "-"], {
      // Reading the standard input fails here: nobody has foreseen that.
    });
    expect(code).to.equal(70);
    expect(stderr).to.include("a defect of phoenix-channels-server").and.include("nobody should read");
  });

  it("ends at once when it is interrupted", async () => {
    let abort = new AbortController();
    const { url } = await handServer(({ event }) => {
      if (event === "phx_join") abort.abort();
      return event === "phx_join";
    });
    for (const argv of [
      ["doctor", url, "-t", "room:a"],
      ["send", url, "x", "-t", "room:a"],
    ]) {
      expect((await run(argv, { signal: abort.signal })).code).to.equal(130);
      // Also if it had been interrupted before.
      expect((await run(argv, { signal: abort.signal })).code).to.equal(130);
      abort = new AbortController();
    }
  });
});

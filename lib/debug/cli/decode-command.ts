import { documentName } from "../../documents/names.ts";
import { FAULTS, type Fault } from "../doctor/faults.ts";
import { moment, relative } from "../doctor/time.ts";
import { inspectToken, REQUIRED_CLAIMS, type TokenReport } from "../doctor/token.ts";
import { type Redactor, shortened } from "../redact.ts";
import { type CredentialOptions, readCredentials } from "./connection-options.ts";
import { type Io, Usage } from "./io.ts";
import { Printer, wantsColour } from "./printer.ts";
import { diagnosisJson, exitCode } from "./report.ts";

export interface DecodeOptions extends CredentialOptions {
  readonly topic?: string;
  readonly json?: boolean;
  readonly color: boolean;
}

const TIMES: ReadonlySet<string> = new Set(["iat", "exp", "nbf"]);

const SIGNATURES: Readonly<Record<TokenReport["signature"], string>> = {
  valid: "valid: it is signed with the secret given",
  invalid: "invalid: it isn't signed with the secret given",
  unchecked: "not checked: that takes --secret, and the algorithm HS256",
};

/** `decode`: says what is in a token, and what is wrong with it. Exits with the code of the gravest fault. */
export async function runDecode(
  argument: string | undefined,
  options: DecodeOptions,
  io: Io,
  redactor: Redactor,
): Promise<number> {
  const { token, secret } = await readCredentials(
    { ...options, token: argument ?? options.token },
    io,
    redactor,
  );
  if (token === null)
    throw new Usage("give a token, - to read it from the standard input, or PHOENIX_CHANNELS_TOKEN");
  const document = options.topic === undefined ? null : documentName(options.topic);
  if (options.topic !== undefined && document === null) {
    throw new Usage("--topic takes document:{tenant}:{document}");
  }
  const now = io.clock.now();
  const report = inspectToken(token, { secret, document, now, serverNow: null });
  const { header, claims, signature, findings } = report;
  const first = findings[0] ?? null;
  const printer = new Printer(io.stdout, redactor, wantsColour(io, options.color));
  if (options.json === true) {
    // Nothing here is secret: the token itself isn't among it.
    printer.json({
      header,
      claims,
      times: Object.fromEntries(
        [...TIMES].flatMap((name) => {
          const at = claims?.[name];
          return typeof at === "number" ? [[name, moment(at * 1_000)]] : [];
        }),
      ),
      signature,
      findings: findings.map((finding) => diagnosisJson(finding, redactor)),
      exitCode: exitCode(first),
    });
    return exitCode(first);
  }
  printer.line(["bold", "token"], `      ${shortened(token)}`);
  if (header !== null) {
    printer.line(["bold", "header"]);
    for (const [name, value] of Object.entries(header))
      printer.line("  ", name.padEnd(12), redactor.json(value));
  }
  if (claims !== null) {
    printer.line(["bold", "claims"]);
    for (const [name, value] of Object.entries(claims)) {
      const time = TIMES.has(name) && typeof value === "number" ? timeOf(value, now) : "";
      printer.line("  ", name.padEnd(12), redactor.json(value), ["dim", time]);
    }
    for (const { name, takes } of REQUIRED_CLAIMS) {
      if (!Object.hasOwn(claims, name)) printer.line("  ", ["red", name.padEnd(12)], `missing: ${takes}`);
    }
  }
  if (header !== null && claims !== null) printer.line(["bold", "signature"], `  ${SIGNATURES[signature]}`);
  for (const { fault, evidence } of findings) {
    const { symptom, fix }: Fault = FAULTS[fault];
    printer.line();
    printer.line(["red", fault], ": ", symptom);
    for (const line of evidence) printer.line("  seen   ", redactor.brief(line));
    printer.line("  fix    ", fix);
  }
  if (first === null) {
    printer.line();
    printer.line(
      ["green", "nothing is wrong with it"],
      signature === "unchecked" ? ", as far as can be seen without the secret" : "",
    );
  }
  return exitCode(first);
}

function timeOf(seconds: number, now: number): string {
  return `  ${moment(seconds * 1_000)}, ${relative(seconds * 1_000, now)}`;
}

// A process of clients that write to documents.
import { answerParent, usage } from "../support/child.ts";
import { DocumentLoad } from "./client.ts";

const OPENED_AT_ONCE = 50;
/** 64 bytes as JSON. */
const CONTENTS = JSON.stringify("x".repeat(62));

const clients: DocumentLoad[] = [];
let latencies: number[] = [];
let replies = 0;
let errors = 0;
let running = false;
let timer: NodeJS.Timeout | undefined;

/** So many clients each of the documents with these tokens. */
async function open(request: { port: number; count: number; documents: [string, string][] }): Promise<void> {
  const wanted = request.documents.flatMap((document) =>
    Array.from({ length: request.count }, () => document),
  );
  for (let i = 0; i < wanted.length; i += OPENED_AT_ONCE) {
    await Promise.all(
      wanted.slice(i, i + OPENED_AT_ONCE).map(async ([document, token]) => {
        const client = new DocumentLoad(request.port, document);
        await client.open(token);
        clients.push(client);
      }),
    );
  }
}

/** Of so many pushes, one tells when it was sent. */
const TIMED = 32;

/** Contents of 64 bytes that tell when they are sent. */
function timedContents(): string {
  const t = performance.now().toFixed(3);
  return `{"t":${t},"pad":"${"x".repeat(Math.max(0, 64 - t.length - 14))}"}`;
}

/** Measures when the ops that tell when they were sent get to a client. */
function observe(client: DocumentLoad): void {
  client.observe((text) => {
    const now = performance.now();
    for (const [, sent] of text.matchAll(/"contents":\{"t":([\d.]+)/g)) latencies.push(now - Number(sent));
  });
}

/** Each client keeps so many pushes of so many ops on their way; the first one only measures, if it is asked to. */
function saturate(request: { inFlight: number; batch: number; measure: boolean }): void {
  const { inFlight, batch, measure } = request;
  running = true;
  const contents = Array.from({ length: batch }, () => CONTENTS);
  const [first, ...others] = clients;
  if (measure && first !== undefined) observe(first);
  let pushes = 0;
  for (const client of measure ? others : clients) {
    const submit = () =>
      client.submit(pushes++ % TIMED === 0 ? [timedContents(), ...contents.slice(1)] : contents);
    client.onReply = (text) => {
      replies++;
      if (!text.includes('"ok"')) errors++;
      if (running) submit();
    };
    for (let i = 0; i < inFlight; i++) submit();
  }
}

/** So many ops a second, spread over the clients; the first one measures when each gets to it. */
function offer({ perSecond }: { perSecond: number }): void {
  running = true;
  for (const client of clients) {
    client.onReply = (text) => {
      replies++;
      if (!text.includes('"ok"')) errors++;
    };
  }
  const [observer, ...writers] = clients;
  if (observer !== undefined) observe(observer);
  const started = performance.now();
  let sent = 0;
  timer = setInterval(() => {
    const due = ((performance.now() - started) / 1000) * perSecond;
    for (; sent < due; sent++) {
      (writers[sent % writers.length] ?? observer)?.submit([timedContents()]);
    }
  }, 1);
}

function stop(): void {
  running = false;
  clearInterval(timer);
}

/** Milliseconds from the request until the last op up to `head` has come. */
async function load(request: {
  port: number;
  document: string;
  token: string;
  head: number;
}): Promise<{ ms: number; bytes: number; ops: number }> {
  const client = new DocumentLoad(request.port, request.document);
  let ops = 0;
  const started = performance.now();
  const loaded = new Promise<void>((resolve) => {
    client.observe((text) => {
      ops += text.split('"minimumSequenceNumber":').length - 1;
      if (text.includes(`"sequenceNumber":${request.head},`)) resolve();
    });
  });
  await client.open(request.token, { mode: "read" });
  await loaded;
  const ms = performance.now() - started;
  client.close();
  return { ms, bytes: client.bytes, ops };
}

/** One op of the given type and contents, by the first client. */
async function submit({ ops }: { ops: string[] }): Promise<string> {
  const [client] = clients;
  if (client === undefined) throw new Error("there are no clients");
  return new Promise((resolve) => {
    client.onReply = resolve;
    client.submit(ops);
  });
}

/** A summary of all that the first client has seen. */
async function summarize(): Promise<string> {
  const [client] = clients;
  if (client === undefined) throw new Error("there are no clients");
  return new Promise((resolve) => {
    client.onReply = resolve;
    client.submit(['{"handle":"bench"}'], "summarize");
  });
}

answerParent({
  open,
  summarize,
  saturate,
  offer,
  stop,
  load,
  submit,
  usage,
  sample: () => {
    const taken = latencies.sort((a, b) => a - b);
    latencies = [];
    const at = (part: number) => taken[Math.floor(taken.length * part)] ?? Number.NaN;
    return {
      replies,
      errors,
      p50: at(0.5),
      p99: at(0.99),
    };
  },
});

import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { type Clock, systemClock } from "../clock.ts";
import { type Endpoint, endpointInternals } from "../endpoint.ts";
import { ConfigError, describe } from "../errors.ts";
import type { DocumentView, Inspectable } from "../inspectable.ts";
import { guardedLogger, type Logger, quietLogger } from "../logger.ts";
import { checkOptions, having, integer, type OptionCheck } from "../options.ts";
import type { Claims } from "./claims.ts";
import { Jwt } from "./jwt.ts";
import { MemoryOpLog } from "./log/memory.ts";
import type { Guarantees, OpLog } from "./log/op-log.ts";
import { RecentBudget } from "./recent.ts";
import { Registry } from "./registry.ts";
import type { SourceAnswer } from "./secret-source.ts";
import type { Session } from "./session.ts";
import type { AnyTenantSecrets } from "./tenant-secrets.ts";
import { DocumentTraces } from "./trace.ts";

export interface DocumentsOptions {
  /** Whose tokens are accepted. */
  readonly tenants: AnyTenantSecrets;
  /** Where ops live. @default memory: they are gone with the process */
  readonly log?: OpLog;
  /** What the log has to promise at least; one that promises less is refused. @default nothing */
  readonly require?: Partial<Guarantees>;
  /** Clients of one document, on this node. @default 1_000 */
  readonly maxClients?: number;
  /** Milliseconds that a session without clients runs on. @default 10_000 */
  readonly idleTimeout?: number;
  /** Seconds that a token still counts after its `exp`, for issuers whose clock isn't the server's. @default 0 */
  readonly clockTolerance?: number;
  /** Bytes of latest ops that all sessions keep in memory together. @default 268_435_456 */
  readonly maxRecentBytes?: number;
  /** This node's name, in the log's records. @default the host's name */
  readonly node?: string;
  /** Where sessions report. @default the logger of the endpoint that mounts them */
  readonly logger?: Logger;
  /** The sessions' time. @default that of the endpoint that mounts them */
  readonly clock?: Clock;
}

/** What sessions need of their documents. */
export interface DocumentHost {
  readonly log: OpLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly node: string;
  /** Another for each start of the process. */
  readonly boot: string;
  readonly maxClients: number;
  readonly recent: RecentBudget;
  readonly traces: DocumentTraces;
  /** The session may be idle. */
  settled(session: Session): void;
}

/** From the least to the most. */
const ORDER: { readonly [K in keyof Guarantees]: readonly Guarantees[K][] } = {
  durability: ["memory", "process", "power"],
  failover: ["none", "may-lose", "quorum"],
  shared: [false, true],
};

/** Records below it couldn't carry a push of 100 ops and what stands around them. */
const MIN_RECORD_BYTES = 256 * 1024;
/** What a record or a frame needs besides the ops' contents. */
const ENVELOPE = 64 * 1024;

const guarantee =
  <K extends keyof Guarantees>(key: K): OptionCheck<Guarantees[K]> =>
  (value, name) => {
    if ((ORDER[key] as readonly unknown[]).includes(value)) return value as Guarantees[K];
    const values = ORDER[key].map((one) => JSON.stringify(one)).join(", ");
    throw new ConfigError("invalid_option", `${name} must be one of ${values}, got ${describe(value)}`);
  };

const GUARANTEES = {
  durability: guarantee("durability"),
  failover: guarantee("failover"),
  shared: guarantee("shared"),
};

const OPTIONS: {
  readonly [K in keyof DocumentsOptions]-?: OptionCheck<Exclude<DocumentsOptions[K], undefined>>;
} = {
  tenants: having<AnyTenantSecrets>("signingKey", "tryKeys", "mac", "verifyMac"),
  log: having<OpLog>("append", "state", "read", "saveCheckpoint", "truncate", "close"),
  require: (value, name) => checkOptions<Guarantees>(value, GUARANTEES, name),
  maxClients: integer(1, "clients"),
  idleTimeout: integer(0, "milliseconds"),
  clockTolerance: integer(0, "seconds", 60),
  maxRecentBytes: integer(0, "bytes"),
  node: (value, name) => {
    if (typeof value === "string" && value !== "") return value;
    throw new ConfigError("invalid_option", `${name} must be a name, got ${describe(value)}`);
  },
  logger: (value) => guardedLogger(value),
  clock: having<Clock>("now", "schedule"),
};

/**
 * The documents of an app: whose tokens count, where the ops live, and the sessions. Make one, and name it in
 * `static documents` of the channel classes that serve it.
 */
export class Documents implements Inspectable {
  /** The sessions of this node. */
  readonly registry: Registry;
  /** Where the ops live; `close` closes it. */
  readonly log: OpLog;
  /** @internal */
  readonly tenants: AnyTenantSecrets;
  /** @internal */
  readonly jwt: Jwt<SourceAnswer>;
  readonly #clock: LateClock;
  readonly #logger: LateLogger;
  readonly #traces = new DocumentTraces();
  readonly #clockTolerance: number;
  #closing: Promise<void> | null = null;

  /** @throws ConfigError (`invalid_option`, `unknown_option`), so also for a log that promises less than `require`. */
  constructor(options: DocumentsOptions) {
    const checked = checkOptions<DocumentsOptions>(options, OPTIONS, "new Documents");
    if (checked.tenants === undefined) {
      throw new ConfigError(
        "invalid_option",
        "new Documents needs tenants, as in {tenants: new TenantSecrets()}",
      );
    }
    this.tenants = checked.tenants;
    this.log = checked.log ?? new MemoryOpLog();
    checkGuarantees(this.log, checked.require ?? {});
    this.#clock = new LateClock(checked.clock ?? null);
    this.#logger = new LateLogger(checked.logger ?? null);
    this.#clockTolerance = checked.clockTolerance ?? 0;
    this.jwt = new Jwt(this.tenants, { clock: this.#clock, clockTolerance: this.#clockTolerance });
    this.registry = new Registry(
      {
        log: this.log,
        clock: this.#clock,
        logger: this.#logger,
        node: checked.node ?? hostname(),
        boot: randomBytes(12).toString("base64url"),
        maxClients: checked.maxClients ?? 1000,
        traces: this.#traces,
        recent: new RecentBudget(checked.maxRecentBytes ?? 256 * 1024 * 1024),
      },
      checked.idleTimeout ?? 10_000,
    );
  }

  /** @internal The sessions' time. */
  get clock(): Clock {
    return this.#clock;
  }

  /** @internal Where sessions report. */
  get logger(): Logger {
    return this.#logger;
  }

  /** @internal From when on a token with these claims no longer counts, in milliseconds by the clock. */
  tokenEnd({ exp }: Claims): number {
    return (exp + this.#clockTolerance) * 1000;
  }

  /** @internal What the contents of one push may take, in bytes, of a client whose frames may have `maxPayload`. */
  maxMessageSize(maxPayload: number): number {
    return Math.max(1024, Math.min(maxPayload, this.log.maxRecordBytes) - ENVELOPE);
  }

  /** @internal An endpoint serves these documents. @throws ConfigError (`invalid_option`) */
  mounted(endpoint: Endpoint): void {
    const internals = endpointInternals(endpoint);
    const { pubsub, clock, logger, tracer } = internals;
    if (pubsub.distributed && !this.log.guarantees.shared) {
      throw new ConfigError(
        "invalid_option",
        `the endpoint has a pubsub adapter for several nodes, but the log ${describe(this.log.name)} can't be shared by them: each would have its own order`,
      );
    }
    this.#clock.take(clock);
    this.#logger.take(logger);
    internals.show(this);
    internals.onClose(this.#traces.add(tracer));
  }

  /** @internal The sessions, for who looks on. */
  documents(): Iterable<DocumentView> {
    return this.registry.sessions();
  }

  /**
   * Resolves when the log is open. Nobody needs to wait for it: it lets an app fail at its start, where each connect
   * would be answered `unavailable` else.
   *
   * @throws OpLogError by rejection, if the log can't be opened: `log_in_use`, `log_full`, `log_failed`, and what the
   * log's own codes are.
   */
  async ready(): Promise<void> {
    await this.log.ready?.();
  }

  /**
   * Ends the sessions and closes the log. Close the endpoints before: their clients' last ops are taken then.
   *
   * @returns Resolves when all is stored. Further calls return the same promise.
   */
  close(): Promise<void> {
    this.#closing ??= this.registry.close().then(() => this.log.close());
    return this.#closing;
  }
}

function checkGuarantees(log: OpLog, required: Partial<Guarantees>): void {
  for (const key of Object.keys(required) as (keyof Guarantees)[]) {
    const order = ORDER[key] as readonly unknown[];
    if (order.indexOf(log.guarantees[key]) >= order.indexOf(required[key])) continue;
    throw new ConfigError(
      "invalid_option",
      `new Documents: the log ${describe(log.name)} promises ${key} ${JSON.stringify(log.guarantees[key])}, and require asks for ${JSON.stringify(required[key])}`,
    );
  }
  if (!(log.maxRecordBytes >= MIN_RECORD_BYTES)) {
    throw new ConfigError(
      "invalid_option",
      `new Documents: the log ${describe(log.name)} takes records of ${log.maxRecordBytes} bytes, at least ${MIN_RECORD_BYTES} are needed`,
    );
  }
}

/** The clock that was given, or that of the first endpoint, or the system's. */
class LateClock implements Clock {
  #clock: Clock;
  #settled: boolean;

  constructor(clock: Clock | null) {
    this.#clock = clock ?? systemClock;
    this.#settled = clock !== null;
  }

  take(clock: Clock): void {
    if (!this.#settled) this.#clock = clock;
    this.#settled = true;
  }

  now(): number {
    return this.#clock.now();
  }

  schedule(callback: () => void, ms: number): () => void {
    return this.#clock.schedule(callback, ms);
  }
}

/** The same for the logger. */
class LateLogger implements Logger {
  #logger: Logger;
  #settled: boolean;

  constructor(logger: Logger | null) {
    this.#logger = logger ?? quietLogger;
    this.#settled = logger !== null;
  }

  take(logger: Logger): void {
    if (!this.#settled) this.#logger = logger;
    this.#settled = true;
  }

  debug(details: object, message: string): void {
    this.#logger.debug(details, message);
  }

  info(details: object, message: string): void {
    this.#logger.info(details, message);
  }

  warn(details: object, message: string): void {
    this.#logger.warn(details, message);
  }

  error(details: object, message: string): void {
    this.#logger.error(details, message);
  }
}

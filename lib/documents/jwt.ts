import { type Clock, systemClock } from "../clock.ts";
import { ConfigError, describe } from "../errors.ts";
import { checkOptions, having, integer, type OptionCheck, strings } from "../options.ts";
import { CLAIMS_VERSION, type Claims, claimsFault, SCOPES, type TokenUser } from "./claims.ts";
import type { SourceAnswer } from "./secret-source.ts";
import { type Answer, type Attempt, chain, type TenantSecrets } from "./tenant-secrets.ts";
import { isSignedBy, MAX_TOKEN_LENGTH, type ParsedToken, parseToken, signToken } from "./token.ts";

export interface JwtOptions {
  /**
   * How long a token still counts after its `exp`, and already before its `nbf`, in seconds: 0 by default, at most 60.
   * For issuers whose clock isn't the server's.
   */
  readonly clockTolerance?: number;
  /** Injected time, for tests. */
  readonly clock?: Clock;
}

/** Options of a token to be made. */
export interface TokenOptions {
  /** How long it counts, in seconds: 3,600 by default. */
  readonly expiresIn?: number;
  /** The token's own id; none by default. */
  readonly jti?: string;
}

export interface TestTokenOptions extends TokenOptions {
  /** How long it counts, in seconds: 3,600 by default. Negative for a token that has expired already. */
  readonly expiresIn?: number;
  /** What it allows: `["doc:read", "doc:write"]` by default. */
  readonly scopes?: readonly string[];
}

/** The claims to sign: those that are optional here have defaults, and others may be added. */
export interface ClaimsToSign {
  readonly documentId: string;
  readonly tenantId: string;
  readonly scopes: readonly string[];
  readonly user: TokenUser;
  /** Now by default. */
  readonly iat?: number;
  /** An hour from now by default. */
  readonly exp?: number;
  /** `"1.0"` by default. */
  readonly ver?: string;
  readonly jti?: string;
  readonly nbf?: number;
  readonly [claim: string]: unknown;
}

/** Why a token isn't accepted. */
export type TokenRefusal =
  /** No secret of the tenant has signed it, or it was signed with another algorithm, or not at all. */
  | "invalid_signature"
  /** Its time is over; or has not begun, if it has `nbf`. */
  | "token_expired"
  /** A claim isn't there, or has another type. */
  | "missing_claims"
  /** The tenant has no secret. */
  | "unknown_tenant"
  /** It is no token. */
  | "malformed_token"
  /** It is for another tenant. */
  | "wrong_tenant"
  /** It is for another document. */
  | "wrong_document";

/** What a token says, or why it isn't accepted. The message names the cause, and holds neither token nor secret. */
export type Verification =
  | { readonly ok: true; readonly claims: Claims }
  | { readonly ok: false; readonly reason: TokenRefusal; readonly message: string };

const DEFAULT_EXPIRES_IN = 3600;
const MAX_EXPIRES_IN = 100 * 365 * 86_400;

const OPTIONS = {
  clockTolerance: integer(0, "seconds", 60),
  clock: having<Clock>("now", "schedule"),
};

const jti: OptionCheck<string> = (value, name) => {
  if (typeof value === "string") return value;
  throw new ConfigError("invalid_option", `${name} must be a string, got ${describe(value)}`);
};

const TOKEN_OPTIONS = { expiresIn: integer(1, "seconds", MAX_EXPIRES_IN), jti };
const TEST_TOKEN_OPTIONS = {
  expiresIn: integer(-MAX_EXPIRES_IN, "seconds", MAX_EXPIRES_IN),
  scopes: strings,
  jti,
};

/**
 * Makes and checks the tokens with which clients connect to documents: JWTs, signed with HS256 and the tenant's
 * secret. If the secrets come from a source, its methods may return promises: `await` them.
 *
 * ```ts
 * const jwt = new Jwt(tenants);
 * const token = jwt.generateFullAccessToken("acme", "doc-1", "user-1");
 * const checked = jwt.verifyAndDecode("acme", token, "doc-1");
 * if (checked.ok) checked.claims.user.id; // "user-1"
 * else checked.reason; // "token_expired", …
 * ```
 */
export class Jwt<out A extends SourceAnswer = never> {
  readonly #tenants: TenantSecrets<A>;
  readonly #clock: Clock;
  readonly #tolerance: number;

  /** @throws ConfigError (`invalid_option`, `unknown_option`) */
  constructor(tenants: TenantSecrets<A>, options: JwtOptions = {}) {
    this.#tenants = having<TenantSecrets<A>>("signingKey", "tryKeys")(tenants, "new Jwt: tenants");
    const { clock = systemClock, clockTolerance = 0 } = checkOptions<JwtOptions>(options, OPTIONS, "new Jwt");
    this.#clock = clock;
    this.#tolerance = clockTolerance;
  }

  /**
   * A token for reading, writing and summarizing a document.
   *
   * @param user The user's id, or an object that has it as `id`; all of it is seen by the document's other clients.
   * @throws ConfigError (`invalid_argument`) if the tenant is unknown, or an id isn't 1 to 256 bytes of well-formed
   * Unicode; (`invalid_option`, `unknown_option`).
   */
  generateFullAccessToken(
    tenant: string,
    document: string,
    user: string | TokenUser,
    options: TokenOptions = {},
  ): Answer<A, string> {
    const checked = checkOptions<TokenOptions>(options, TOKEN_OPTIONS, "generateFullAccessToken");
    const scopes = [SCOPES.read, SCOPES.write, SCOPES.summarize];
    return this.#generate(tenant, document, user, { ...checked, scopes });
  }

  /** A token for reading a document. Parameters and errors as in {@link generateFullAccessToken}. */
  generateReadOnlyToken(
    tenant: string,
    document: string,
    user: string | TokenUser,
    options: TokenOptions = {},
  ): Answer<A, string> {
    const checked = checkOptions<TokenOptions>(options, TOKEN_OPTIONS, "generateReadOnlyToken");
    return this.#generate(tenant, document, user, { ...checked, scopes: [SCOPES.read] });
  }

  /**
   * A token for tests: it may have any scopes, and have expired already. Without options it is for reading and
   * writing. Parameters and errors as in {@link generateFullAccessToken}.
   */
  generateTestToken(
    tenant: string,
    document: string,
    user: string | TokenUser,
    options: TestTokenOptions = {},
  ): Answer<A, string> {
    const checked = checkOptions<TestTokenOptions>(options, TEST_TOKEN_OPTIONS, "generateTestToken");
    return this.#generate(tenant, document, user, { scopes: [SCOPES.read, SCOPES.write], ...checked });
  }

  /**
   * Signs claims with the secret of their `tenantId`.
   *
   * @throws ConfigError (`invalid_argument`) if a claim is missing or isn't what {@link Claims} says, if JSON can't
   * express one, if the token gets longer than 8,192 characters, or if the tenant is unknown.
   * @throws SecretsUnavailable if the source of secrets fails, by rejection.
   */
  sign(claims: ClaimsToSign): Answer<A, string> {
    if (typeof claims !== "object" || claims === null) {
      throw new ConfigError(
        "invalid_argument",
        `sign: the claims must be an object, got ${describe(claims)}`,
      );
    }
    const iat = claims.iat ?? Math.floor(this.#seconds());
    const all = {
      ...claims,
      iat,
      exp: claims.exp ?? iat + DEFAULT_EXPIRES_IN,
      ver: claims.ver ?? CLAIMS_VERSION,
    };
    const json = toJson(all);
    // What will be read, not what was given: a toJSON, or a field that JSON leaves out, may make a difference.
    const read = JSON.parse(json) as Claims;
    const fault = claimsFault(Object(read));
    if (fault !== null) throw new ConfigError("invalid_argument", `sign: the token ${fault}`);
    return chain(this.#tenants.signingKey(read.tenantId), (key) => {
      if (key === null) {
        throw new ConfigError(
          "invalid_argument",
          `sign: the tenant ${describe(read.tenantId)} has no secret; register it`,
        );
      }
      const token = signToken(json, key);
      if (token.length > MAX_TOKEN_LENGTH) {
        throw new ConfigError(
          "invalid_argument",
          `sign: the token would have ${token.length} characters, more than the ${MAX_TOKEN_LENGTH} that are read; leave claims out`,
        );
      }
      return token;
    });
  }

  /**
   * Checks a token of a client: its form and signature, its claims, its time, its tenant and, if one is given, its
   * document. It never throws for what a client sends.
   *
   * @throws SecretsUnavailable if the source of secrets fails, by rejection: nothing is known of the token then.
   */
  verifyAndDecode(tenant: string, token: unknown, document?: string): Answer<A, Verification> {
    const parsed = parseToken(token);
    if (typeof parsed === "string") return refused("malformed_token", parsed) as Answer<A, Verification>;
    const attempt = this.#tenants.tryKeys(tenant, (key) =>
      parsed.unverifiable === null && isSignedBy(parsed, key) ? true : null,
    );
    return chain(attempt, (result) => this.#judge(result, parsed, tenant, document));
  }

  #judge(
    result: Attempt<true>,
    parsed: ParsedToken,
    tenant: string,
    document: string | undefined,
  ): Verification {
    if (!result.known) return refused("unknown_tenant", `the tenant ${describe(tenant)} is unknown here`);
    if (result.found === null) return unsigned(parsed, tenant);
    const fault = claimsFault(parsed.claims);
    if (fault !== null) return refused("missing_claims", `the token ${fault}`);
    const claims = parsed.claims as Claims;
    const untimely = this.#untimely(claims);
    // Before tenant and document: who has expired needs a new token in any case.
    if (untimely !== null) return refused("token_expired", untimely);
    if (claims.tenantId !== tenant) return refused("wrong_tenant", anotherTenant(claims.tenantId, tenant));
    if (document !== undefined && claims.documentId !== document) {
      return refused(
        "wrong_document",
        `the token is for the document ${describe(claims.documentId)}, not for ${describe(document)}`,
      );
    }
    return { ok: true, claims };
  }

  /** Why the token doesn't count now, or null. */
  #untimely({ exp, nbf }: Claims): string | null {
    const now = this.#seconds();
    if (now >= exp + this.#tolerance) {
      return `the token has expired at ${iso(exp)}, ${elapsed(now - exp)} ago by the server's clock`;
    }
    if (nbf !== undefined && now < nbf - this.#tolerance) {
      return `the token isn't valid before ${iso(nbf)}, which is in ${elapsed(nbf - now)} by the server's clock`;
    }
    return null;
  }

  #generate(
    tenant: string,
    document: string,
    user: string | TokenUser,
    { expiresIn = DEFAULT_EXPIRES_IN, scopes = [], jti }: TestTokenOptions,
  ): Answer<A, string> {
    const now = Math.floor(this.#seconds());
    // One that has expired was made before that.
    const iat = Math.max(0, Math.min(now, now + expiresIn));
    const exp = Math.max(0, now + expiresIn);
    return this.sign({
      documentId: document,
      tenantId: tenant,
      scopes,
      user: typeof user === "string" ? { id: user } : user,
      iat,
      exp,
      jti,
    });
  }

  #seconds(): number {
    return this.#clock.now() / 1000;
  }
}

function refused(reason: TokenRefusal, message: string): Verification {
  return { ok: false, reason, message };
}

/**
 * No secret of the tenant fits. If the token says that it is for another tenant, that is the reason: it is refused
 * in any case, so it does no harm that nobody vouches for what it says.
 */
function unsigned({ claims, unverifiable }: ParsedToken, tenant: string): Verification {
  const named: unknown = Object.hasOwn(claims, "tenantId")
    ? (claims as { tenantId: unknown }).tenantId
    : tenant;
  if (unverifiable !== null) return refused("invalid_signature", unverifiable);
  if (typeof named === "string" && named !== tenant)
    return refused("wrong_tenant", anotherTenant(named, tenant));
  return refused(
    "invalid_signature",
    `the token isn't signed with a secret of the tenant ${describe(tenant)}`,
  );
}

function anotherTenant(named: string, tenant: string): string {
  return `the token is for the tenant ${describe(named)}, not for ${describe(tenant)}`;
}

function toJson(claims: object): string {
  try {
    // A toJSON may give something else, undefined too.
    return JSON.stringify(claims) ?? "null";
  } catch {
    // Without the cause: its message may quote a claim.
    throw new ConfigError("invalid_argument", "sign: JSON can't express the claims; they must be plain data");
  }
}

function iso(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

/** How long something is, roughly: `35 s`, `12 min`, `3 h`, `20 days`. */
function elapsed(seconds: number): string {
  if (seconds < 120) return `${Math.ceil(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}

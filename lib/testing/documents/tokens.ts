import { createHmac, type KeyObject } from "node:crypto";
import { CLAIMS_VERSION, type Claims, SCOPES, type TokenUser } from "../../documents/claims.ts";
import { secretKey } from "../../documents/secret.ts";
import { signToken } from "../../documents/token.ts";
import { ConfigError, describe } from "../../errors.ts";
import { checkOptions, integer, type OptionCheck, strings } from "../../options.ts";

/** What a token of a test says, unless it says it itself. */
export interface TestTokenWishes {
  /** The user's id, or an object that has it as `id`. @default "user-1" */
  readonly user?: string | TokenUser;
  /** @default the kit's */
  readonly tenant?: string;
  /** @default the kit's */
  readonly document?: string;
  /** How long it counts, in seconds. @default 3_600 */
  readonly expiresIn?: number;
  /** Claims besides, or in the place of those that the rest says. */
  readonly claims?: object;
}

/** Algorithms that documents don't accept. */
export type WrongAlgorithm = "none" | "HS384" | "HS512";

const HASHES: { readonly [A in WrongAlgorithm]: string | null } = {
  none: null,
  HS384: "sha384",
  HS512: "sha512",
};

const text: OptionCheck<string> = (value, name) => {
  if (typeof value === "string") return value;
  throw new ConfigError("invalid_option", `${name} must be a string, got ${describe(value)}`);
};

function object<T extends object>(value: unknown, name: string): T {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as T;
  throw new ConfigError("invalid_option", `${name} must be an object, got ${describe(value)}`);
}

const WISHES: { readonly [K in keyof TestTokenWishes]-?: OptionCheck<NonNullable<TestTokenWishes[K]>> } = {
  user: (value, name) => (typeof value === "string" ? value : object<TokenUser>(value, name)),
  tenant: text,
  document: text,
  expiresIn: integer(Number.MIN_SAFE_INTEGER, "seconds"),
  claims: object,
};

/** What tokens are made of. */
export interface TokenSource {
  readonly tenant: string;
  readonly document: string;
  /** Milliseconds since the epoch, by the kit's clock. */
  now(): number;
  /** The key that signs a tenant's tokens; null if it has none. */
  signingKey(tenant: string): KeyObject | null;
}

/** Tokens of every kind, for one tenant and document: `kit.tokens`. None of their calls needs `await`. */
export class TestTokens {
  readonly #source: TokenSource;
  /** Signs what nobody's secret has signed. */
  readonly #stranger = secretKey("a secret that no tenant of this test has", "the kit's");

  /** @internal */
  constructor(source: TokenSource) {
    this.#source = source;
  }

  /** For reading, writing and summarizing. */
  full(wishes?: TestTokenWishes): string {
    return this.sign(this.#claims("full", {}, wishes));
  }

  /** For reading only. */
  readOnly(wishes?: TestTokenWishes): string {
    return this.sign(this.#claims("readOnly", { scopes: [SCOPES.read] }, wishes));
  }

  /** For whatever the scopes say: those of documents, and those of the app. */
  withScopes(scopes: readonly string[], wishes?: TestTokenWishes): string {
    const checked = strings(scopes, "withScopes: scopes");
    return this.sign(this.#claims("withScopes", { scopes: checked }, wishes));
  }

  /** One that counted until a second ago. Refused as `token_expired`. */
  expired(wishes?: TestTokenWishes): string {
    const now = this.#seconds();
    return this.sign(this.#claims("expired", { iat: now - 3600, exp: now - 1 }, wishes));
  }

  /** One that counts in an hour. Refused as `token_expired`. */
  notYetValid(wishes?: TestTokenWishes): string {
    const now = this.#seconds();
    return this.sign(this.#claims("notYetValid", { nbf: now + 3600, exp: now + 7200 }, wishes));
  }

  /** One that another secret has signed. Refused as `invalid_signature`. */
  wrongSecret(wishes?: TestTokenWishes): string {
    return signToken(JSON.stringify(this.#claims("wrongSecret", {}, wishes)), this.#stranger);
  }

  /** One that the tenant's own secret has signed, but not with HS256. Refused as `invalid_signature`. */
  wrongAlgorithm(algorithm: WrongAlgorithm = "HS512", wishes?: TestTokenWishes): string {
    const hash = HASHES[algorithm];
    if (hash === undefined) {
      const known = Object.keys(HASHES).join(", ");
      throw new ConfigError(
        "invalid_argument",
        `wrongAlgorithm takes one of ${known}, got ${describe(algorithm)}`,
      );
    }
    const claims = this.#claims("wrongAlgorithm", {}, wishes);
    const signed = [{ alg: algorithm, typ: "JWT" }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    if (hash === null) return `${signed}.`;
    return `${signed}.${createHmac(hash, this.#key(claims.tenantId)).update(signed).digest("base64url")}`;
  }

  /** One of another tenant's. Refused as `wrong_tenant`. */
  otherTenant(wishes?: TestTokenWishes): string {
    const tenantId = `not-${this.#source.tenant}`;
    return this.sign(this.#claims("otherTenant", { tenantId }, wishes));
  }

  /** One of the tenant's for another document. Refused as `wrong_document`. */
  otherDocument(wishes?: TestTokenWishes): string {
    const documentId = `not-${this.#source.document}`;
    return this.sign(this.#claims("otherDocument", { documentId }, wishes));
  }

  /** What is no token at all. Refused as `malformed_token`. */
  malformed(): string {
    return "this is not a token";
  }

  /** A token that lacks a claim, such as `"user"`. Refused as `missing_claims`. */
  without(claim: keyof Claims & string, wishes?: TestTokenWishes): string {
    return this.sign({ ...this.#claims("without", {}, wishes), [claim]: undefined });
  }

  /**
   * Any claims, whether they make sense or not, signed by the secret of the tenant that they name; by that of the
   * kit's tenant if they name none, and by another secret if the tenant has none.
   *
   * @throws ConfigError (`invalid_argument`) for what JSON can't express.
   */
  sign(claims: object): string {
    const json = JSON.stringify(object(claims, "sign: claims"));
    const { tenantId } = claims as { readonly tenantId?: unknown };
    return signToken(json, this.#key(typeof tenantId === "string" ? tenantId : this.#source.tenant));
  }

  #key(tenant: string): KeyObject {
    return this.#source.signingKey(tenant) ?? this.#stranger;
  }

  #claims(where: string, own: object, wishes: TestTokenWishes | undefined): Record<string, unknown> & Claims {
    const {
      user = "user-1",
      tenant,
      document,
      expiresIn = 3600,
      claims,
    } = checkOptions<TestTokenWishes>(wishes, WISHES, where);
    const now = this.#seconds();
    return {
      tenantId: tenant ?? this.#source.tenant,
      documentId: document ?? this.#source.document,
      scopes: [SCOPES.read, SCOPES.write, SCOPES.summarize],
      user: typeof user === "string" ? { id: user } : user,
      iat: Math.min(now, now + expiresIn),
      exp: now + expiresIn,
      ver: CLAIMS_VERSION,
      ...own,
      ...claims,
    };
  }

  #seconds(): number {
    return Math.floor(this.#source.now() / 1000);
  }
}

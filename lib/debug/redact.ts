import { filterParameters } from "../logger.ts";

/** Words in keys whose values nobody needs to see. */
const WORDS = ["password", "secret", "token", "authorization", "cookie"];

/** A JWT, or the beginning of one that was cut. */
const JWT = /\beyJ[\w-]{16,}(?:\.[\w-]*){0,2}/g;

// What a terminal would obey: control characters, line ends of other alphabets, and what turns the writing direction.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Shorter ones would be found everywhere. */
const MIN_HIDDEN = 4;
const MIN_GUESSED = 8;
const MAX_SHOWN = 8;
const MAX_BRIEF = 500;

/** A token as it is shown: its beginning, at most a quarter of it. */
export function shortened(token: string): string {
  const shown = token.slice(0, Math.min(MAX_SHOWN, Math.floor(token.length / 4)));
  return `${shown}… (${token.length} characters)`;
}

/** Keeps tokens and secrets out of everything that is printed, and terminals safe from what servers send. */
export class Redactor {
  readonly #hidden = new Map<string, string>();
  readonly #trusted: ReadonlySet<string>;

  /** @param trusted Texts of the library's own, which are shown as they are, also if a weak secret is a word of them. */
  constructor(trusted: ReadonlySet<string> = new Set()) {
    this.#trusted = trusted;
  }

  /** Hides a token wherever it turns up, also encoded. */
  hideToken(token: string): void {
    this.#hide(token, shortened(token));
    // What a JWT says may be shown, and its signature beside that would make it whole.
    const signature = token.split(".")[2];
    if (signature !== undefined) this.hideSecret(signature);
  }

  /** Hides a secret: not a character of it is shown. */
  hideSecret(secret: string): void {
    this.#hide(secret, `… (${secret.length} characters)`);
  }

  /** Hides what may be a secret by its place. Short ones are words more often. */
  hideGuessed(value: string): void {
    if (value.length >= MIN_GUESSED) this.hideSecret(value);
  }

  /** Hides the texts in a payload whose keys name a secret. */
  hideIn(payload: unknown): void {
    if (typeof payload !== "object" || payload === null) return;
    for (const [key, value] of Object.entries(payload)) {
      const isSecret = WORDS.some((word) => key.toLowerCase().includes(word));
      if (isSecret && typeof value === "string") this.hideGuessed(value);
      else this.hideIn(value);
    }
  }

  /** One printable line, without secrets. */
  text(text: string): string {
    if (this.#trusted.has(text)) return text;
    let clean = text;
    for (const [hidden, shown] of this.#hidden) clean = clean.replaceAll(hidden, shown);
    return clean.replace(JWT, shortened).replace(UNPRINTABLE, escaped);
  }

  /** The same, cut to what a reader would read. */
  brief(text: string): string {
    const clean = this.text(text);
    return clean.length > MAX_BRIEF ? `${clean.slice(0, MAX_BRIEF)}… (${clean.length} characters)` : clean;
  }

  /** A payload as JSON on one line, without secrets. */
  json(value: unknown): string {
    return this.text(JSON.stringify(this.value(value)) ?? "undefined");
  }

  /** A payload without secrets, for `JSON.stringify`. Values of keys that name a secret are left out. */
  value(value: unknown): unknown {
    return this.#strings(filterParameters(value, WORDS));
  }

  #strings(value: unknown): unknown {
    if (typeof value === "string") return this.text(value);
    if (Array.isArray(value)) return value.map((item) => this.#strings(item));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      // The key of a document's client opens the way to resume as it.
      Object.entries(value).map(([key, item]) =>
        key === "key" && typeof item === "string"
          ? [key, "[FILTERED]"]
          : [this.text(key), this.#strings(item)],
      ),
    );
  }

  #hide(value: string, shown: string): void {
    const bytes = Buffer.from(value);
    const forms = [
      value,
      JSON.stringify(value).slice(1, -1),
      encodeURIComponent(value.toWellFormed()),
      new URLSearchParams([["", value]]).toString().slice(1),
      bytes.toString("base64url"),
      bytes.toString("base64"),
    ];
    for (const form of forms) if (form.length >= MIN_HIDDEN) this.#hidden.set(form, shown);
  }
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

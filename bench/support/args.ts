/** The command line: `--name=value` options, and the words between them. */
export interface Args {
  readonly words: readonly string[];
  /** A number, or the default. Throws if it is none. */
  number(name: string, otherwise: number): number;
  text(name: string, otherwise: string): string;
  flag(name: string): boolean;
}

/** Options that nobody asks for are a mistake: `known` names them all. */
export function parseArgs(argv: readonly string[], known: readonly string[]): Args {
  const options = new Map<string, string>();
  const words: string[] = [];
  for (const arg of argv) {
    const option = /^--([a-z-]+)(?:=(.*))?$/s.exec(arg);
    if (option === null) {
      words.push(arg);
      continue;
    }
    const [, name = "", value = ""] = option;
    if (!known.includes(name)) {
      throw new Error(`unknown option --${name}; there are ${known.map((n) => `--${n}`).join(", ")}`);
    }
    options.set(name, value);
  }
  return {
    words,
    number(name, otherwise) {
      const text = options.get(name);
      if (text === undefined) return otherwise;
      const number = Number(text.replaceAll("_", ""));
      if (text === "" || !Number.isFinite(number))
        throw new Error(`--${name} must be a number, got "${text}"`);
      return number;
    },
    text: (name, otherwise) => options.get(name) ?? otherwise,
    flag: (name) => options.has(name),
  };
}

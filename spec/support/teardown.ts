const pending: (() => unknown)[] = [];

/** Runs a function after the current test, last registered first. */
export function afterTest(clean: () => unknown): void {
  pending.push(clean);
}

export async function tearDown(): Promise<void> {
  for (let clean = pending.pop(); clean !== undefined; clean = pending.pop()) await clean();
}

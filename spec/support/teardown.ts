const pending: (() => unknown)[] = [];

/** Runs a function after the current test, last registered first. */
export function afterTest(clean: () => unknown): void {
  pending.push(clean);
}

/** Runs all of them, also when one fails; what failed first is thrown. */
export async function tearDown(): Promise<void> {
  const errors: unknown[] = [];
  for (let clean = pending.pop(); clean !== undefined; clean = pending.pop()) {
    try {
      await clean();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

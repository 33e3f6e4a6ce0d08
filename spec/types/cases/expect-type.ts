/** True only for one and the same type: `any` isn't `string`, and a union isn't one of its members. */
export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles only if its type argument is `true`: `expectType<Same<typeof x, string>>()`. */
export function expectType<_T extends true>(): void {}

/** The sequence numbers of some ops. */
export function numbers(ops: readonly { readonly sequenceNumber: number }[]): number[] {
  return ops.map(({ sequenceNumber }) => sequenceNumber);
}

/** The numbers from the first to the last. */
export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

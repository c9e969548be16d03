/** Pearson's chi-square statistic against equal shares, for tests of chance with a fixed seed. */
export function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** The value that an unbiased draw of so many shares exceeds about once in a thousand (Wilson and Hilferty, 1931). */
export function chiSquareLimit(shares: number): number {
  const freedom = shares - 1;
  const third = 2 / (9 * freedom);
  return freedom * (1 - third + 3.09 * Math.sqrt(third)) ** 3;
}

import { median } from '../report/statistics.js'

export interface Interval { median: number, low: number, high: number, confidence: number }

/**
 * The median and where it lies with 95 % confidence or more, by order statistics: nothing is supposed of how the figures
 * are distributed. Fewer than 6 figures cannot say it so surely; then it is from the least to the greatest, and `confidence` says how sure.
 */
export function medianInterval (numbers: readonly number[]): Interval {
  const sorted = numbers.toSorted((a, b) => a - b)
  const n = sorted.length
  let outside = 0 // the probability that the median lies below the figure at `cut`
  let cut = 0
  let probability = 0.5 ** n
  outside = probability
  for (let k = 1; k < n / 2; k++) {
    probability *= (n - k + 1) / k
    if (outside + probability > 0.025) break
    outside += probability
    cut = k
  }
  return { median: median(sorted), low: sorted[cut] ?? NaN, high: sorted[n - 1 - cut] ?? NaN, confidence: 1 - 2 * outside }
}

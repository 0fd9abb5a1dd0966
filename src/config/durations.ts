/** What a timer of Node can wait for, in seconds: 24.8 days. */
const MOST_SECONDS = 2_147_483

export const SECONDS = `a number of seconds from 0 to ${MOST_SECONDS}, fractions allowed`

export function isSeconds (value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= MOST_SECONDS
}

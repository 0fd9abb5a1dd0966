import type { Result } from '../case.js'
import { measuresOf, number, verdicts } from './console.js'
import { spread, timesAsGood } from './statistics.js'

/** Who is compared with in the first lines of the page, by the labels of the sides. */
const PEERS: ReadonlyArray<readonly [heading: string, labels: readonly string[]]> = [
  ['postgres.js', ['postgres.js', 'Fastify + postgres.js']],
  ['`pg`', ['pg, named', 'pg']],
  ['Bun.sql', ['Bun.sql']],
  ['`@fastify/postgres`', ['@fastify/postgres']],
  ['slonik', ['slonik']],
  ['asyncpg', ['asyncpg', 'FastAPI + asyncpg']],
]

/** What came out, in a table for the first screen: how many times as good this library is as each of the others. */
export function resultRows (results: readonly Result[]): string[][] {
  const rows = results.map((result) => [result.item.title, ...PEERS.map(([, labels]) => timesAsGoodAs(result, labels))])
  return [['ours is × as good as', ...PEERS.map(([heading]) => heading)], ...rows.filter((cells) => cells.slice(1).some((cell) => cell !== ''))]
}

function timesAsGoodAs (result: Result, labels: readonly string[]): string {
  const [first, ...others] = result.item.sides
  const [measure] = measuresOf(result)
  const peer = others.find(({ label }) => labels.includes(label))
  if (first === undefined || measure === undefined || peer === undefined) return ''
  const ratios = timesAsGood(result, first.label, peer.label, measure)
  return ratios.length === 0 ? '' : number(spread(ratios).median, 2)
}

/** How many of the targets are reached. */
export function reachedTargets (results: readonly Result[]): string {
  const measured = verdicts(results).filter(({ reached }) => reached !== undefined)
  const missed = measured.filter(({ reached }) => reached === false).length
  return `${measured.length - missed} of ${measured.length} targets are reached; [the list](#targets) says which.`
}

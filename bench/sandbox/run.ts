// node --import tsx bench/sandbox/run.ts: what a sandbox costs 100 tests of five requests each
import { startPostgres } from '../../testing/index.js'
import { measureRounds } from './rounds.js'

const postgres = await startPostgres()
try {
  const { usual, sandboxed, ratio } = await measureRounds({ url: postgres.url, rounds: 25, tests: 100 })
  console.log(`100 tests of five requests: ${usual.toFixed(0)} ms without a sandbox and without cleaning up, ` +
    `${sandboxed.toFixed(0)} ms in a sandbox with a reset after each: ${ratio.toFixed(2)} times as long (at most 1.5)`)
  process.exitCode = ratio <= 1.5 ? 0 : 1
} finally {
  await postgres.stop()
}
